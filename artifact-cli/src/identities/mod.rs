//! `artifact worker`, `artifact group`, `artifact whoami`: who there is, over HTTP.

mod command;
mod group;
mod print;
mod worker;

use anyhow::Result;
use artifact_client::{Client, Error};
use clap::ArgMatches;

use crate::connect::{client, failed, until_interrupted};
use crate::settings::Loaded;

pub(crate) use command::{group_command, whoami_command, worker_command};

/// One of the commands at work.
struct Call<'c> {
    client: Client,
    matches: &'c ArgMatches,
    loaded: &'c Loaded,
}

impl Call<'_> {
    /// An argument that clap has seen to be there.
    fn argument(&self, name: &str) -> &str {
        self.matches
            .get_one::<String>(name)
            .map_or("", String::as_str)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.matches.get_one::<String>(name).map(String::as_str)
    }

    fn json(&self) -> bool {
        self.matches.get_flag("json")
    }

    fn answer<T>(&self, answer: Result<T, Error>) -> Result<T> {
        answer.map_err(|error| failed(error, self.loaded))
    }
}

/// Does what the command of this name says.
pub(crate) async fn run(name: &str, matches: &ArgMatches, loaded: &Loaded) -> Result<()> {
    let call = Call {
        client: client(loaded)?,
        matches,
        loaded,
    };
    until_interrupted(async {
        match name {
            "whoami" => worker::whoami(&call).await,
            "worker add" => worker::add(&call).await,
            "worker list" => worker::list(&call).await,
            "worker show" => worker::show(&call).await,
            "worker reissue" => worker::reissue(&call).await,
            "group add" => group::add(&call).await,
            "group list" => group::list(&call).await,
            "group show" => group::show(&call).await,
            "group delete" => group::delete(&call).await,
            "group add-member" => group::add_member(&call).await,
            "group remove-member" => group::remove_member(&call).await,
            _ => unreachable!("clap asks for one of the commands above"),
        }
    })
    .await
}
