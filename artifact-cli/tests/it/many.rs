//! Many connections at once, and a healthy client among them.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::{Resource, getrlimit};

use crate::harness::{Answer, Server, read_to_end, run, run_with};

fn healthy(server: &Server) {
    for n in 0..5 {
        let bytes = format!("artifact {n}");
        let put = run_with(&mut server.client(&["put", "-"]), bytes.as_bytes()).succeeded();
        let get = run(&mut server.client(&["get", put.stdout().trim_end()])).succeeded();
        assert_eq!(get.stdout(), bytes);
    }
}

#[test]
fn hundreds_of_idle_connections_do_not_keep_a_client_waiting() {
    // 2,000 where this process may have so many sockets.
    let most = getrlimit(Resource::Nofile).current;
    let many = if most.is_none_or(|most| most >= 5000) {
        2000
    } else {
        500
    };
    let server = Server::start(&["--header-timeout", "3600"]);
    let address = server.url.strip_prefix("http://").unwrap();
    let before = server.descriptors();
    let idle: Vec<_> = (0..many)
        .map(|n| {
            let mut stream = TcpStream::connect(address).unwrap();
            // Silent ones, and such as have begun with a header.
            if n % 2 == 0 {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").unwrap();
            }
            stream
        })
        .collect();
    server.wait_until("all of them", || server.descriptors() >= before + many);
    healthy(&server);
    drop(idle);
    server.wait_until("their descriptors", || server.descriptors() <= before);
}

#[test]
fn beyond_the_limit_the_longest_idle_one_makes_room() {
    let patient = ["--header-timeout", "3600", "--idle-timeout", "3600"];
    let server = Server::start(&[&["--max-connections", "20"], &patient[..]].concat());
    let mut idle: Vec<_> = (0..100).map(|_| server.stream()).collect();
    let late = idle.split_off(80);
    for stream in &mut idle {
        // Its end is what is waited for here.
        assert_eq!(read_to_end(stream), b"");
    }
    healthy(&server);
    drop(late);
}

#[test]
fn where_none_is_idle_one_more_is_503() {
    let server = Server::start(&["--max-connections", "1"]);
    let (mut busy, headers) = server.connect();
    write!(
        busy,
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Expect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"
    )
    .unwrap();
    let mut asked = [0; 25];
    busy.read_exact(&mut asked).unwrap();
    let answer = Answer::of(&server.say("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"));
    answer.assert_problem(503, "about:blank");
    assert_eq!(answer.field("retry-after"), Some("1"));
    drop(busy);
    let healthy = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    server.wait_until("room", || Answer::of(&server.say(healthy)).status == 200);
}

#[test]
fn deposits_of_one_principal_are_limited() {
    let server = Server::start(&["--max-uploads-per-principal", "1"]);
    let begin = |server: &Server| {
        let (mut stream, headers) = server.connect();
        write!(
            stream,
            "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Expect: 100-continue\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"
        )
        .unwrap();
        let mut asked = [0; 12];
        stream.read_exact(&mut asked).unwrap();
        (stream, String::from_utf8(asked.to_vec()).unwrap())
    };
    let (first, asked) = begin(&server);
    assert_eq!(asked, "HTTP/1.1 100");
    let (_second, refused) = begin(&server);
    assert_eq!(refused, "HTTP/1.1 429");
    drop(first);
    server.wait_until("its place", || begin(&server).1 == "HTTP/1.1 100");
}
