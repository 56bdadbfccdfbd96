//! Insert times: which rows of a relation an import has read.

/// The values of a column as insert times: what is read later is larger. As texts they mean the same in every session.
pub struct Marks {
    pub column: String,
    /// What is around a value to make a text of it.
    pub text: (&'static str, &'static str),
    /// What is behind a text to make a value of it.
    pub cast: String,
    /// Says whether a value is an insert time.
    pub finite: String,
}

impl Marks {
    fn text(&self, value: &str) -> String {
        format!("{}{value}{}", self.text.0, self.text.1)
    }

    /// The largest, as SQL.
    pub fn largest(&self) -> String {
        self.text(&format!("(max({}) FILTER (WHERE {}))", self.column, self.finite))
    }

    /// Is a value larger than the parameter `after`, unless that is empty? As SQL.
    fn later(&self, value: &str, after: &str) -> String {
        format!("({after} = '' OR {value} > (nullif({after}, ''){}))", self.cast)
    }

    /// A condition for what is larger than `after`, and no larger than `until`. As SQL.
    pub fn between(&self, after: &str, until: &str) -> String {
        let later = self.later(&self.column, after);
        format!("{later} AND {} <= ({until}{})", self.column, self.cast)
    }

    /// Does one parameter come after another? As SQL.
    pub fn is_later(&self, until: &str, after: &str) -> String {
        self.later(&format!("({until}{})", self.cast), after)
    }

    /// Every so many rows after a value its text and how many rows there are so far; and the last. As SQL.
    pub fn cuts(&self, relation: &str, after: &str, rows: &str) -> String {
        format!(
            "SELECT {}, n FROM (SELECT {column} AS x, row_number() OVER (ORDER BY {column}) AS n, count(*) OVER () AS c
             FROM {relation} s WHERE {} AND {}) AS q WHERE n % {rows} = 0 OR n = c ORDER BY n",
            self.text("x"),
            self.finite,
            self.later(&self.column, after),
            column = self.column,
        )
    }
}
