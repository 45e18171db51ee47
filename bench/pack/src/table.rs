//! Medians, Markdown tables and the goals.

/// Returns the median, or 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The rates of several subjects, which took turns in each round.
pub struct Rates {
    pub names: Vec<&'static str>,
    /// One list for each round.
    pub rounds: Vec<Vec<f64>>,
}

impl Rates {
    pub fn of(&self, name: &str) -> f64 {
        let at = self.at(name);
        median(self.rounds.iter().map(|round| round[at]).collect())
    }

    /// Returns the median of the ratios of the rounds.
    pub fn ratio(&self, name: &str, to: &str) -> f64 {
        let (at, to) = (self.at(name), self.at(to));
        let ratios = self.rounds.iter().map(|round| round[at] / round[to]);
        median(ratios.collect())
    }

    fn at(&self, name: &str) -> usize {
        let mut names = self.names.iter();
        names
            .position(|other| *other == name)
            .expect("the subject was measured")
    }

    /// Prints one row: the rate of each subject, and how many times faster the first one is.
    pub fn print(&self, label: &str) {
        let first = self.names[0];
        let cells = self.names.iter().map(|name| {
            let rate = self.of(name);
            if *name == first {
                format!(" {rate:.0} |")
            } else {
                format!(" {rate:.0} ({:.2}) |", self.ratio(first, name))
            }
        });
        println!("| {label} |{}", cells.collect::<String>());
    }
}

/// Prints the head of a table.
pub fn head(title: &str, columns: &[&str]) {
    println!("\n### {title}\n\n| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

/// Goals and what was measured.
#[derive(Default)]
pub struct Goals(Vec<[String; 4]>);

impl Goals {
    /// Adds a goal that a figure must reach.
    pub fn at_least(&mut self, what: &str, goal: f64, measured: f64) {
        self.add(
            what,
            format!("{goal}"),
            format!("{measured:.2}"),
            measured >= goal,
        );
    }

    /// Adds a goal that a figure must stay below.
    pub fn below(&mut self, what: &str, goal: f64, measured: f64) {
        self.add(
            what,
            format!("under {goal}"),
            format!("{measured:.3}"),
            measured < goal,
        );
    }

    fn add(&mut self, what: &str, goal: String, measured: String, met: bool) {
        let met = if met { "yes" } else { "**no**" };
        self.0
            .push([what.to_owned(), goal, measured, met.to_owned()]);
    }

    pub fn print(&self) {
        head("Goals", &["ratio or figure", "goal", "measured", "met"]);
        for row in &self.0 {
            println!("| {} |", row.join(" | "));
        }
    }
}
