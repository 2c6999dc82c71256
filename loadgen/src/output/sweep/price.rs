//! Prices of CPU and memory.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sizing::trial::Point;

/// Price of a processor or of a GiB of memory: `31.5 USD/month`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Price {
    /// Amount.
    pub amount: f64,
    /// Currency, as it was written.
    pub currency: String,
    period: Period,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Second,
    Hour,
    Day,
    Month,
    Year,
}

/// Error for a price that cannot be parsed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "price {given:?}: {reason}; write an amount, a currency and a period, for instance \"31.5 \
        USD/month\""
)]
pub struct PriceError {
    given: String,
    reason: String,
}

const HOUR: f64 = 3600.0;
/// Seconds of a month: a twelfth of a year of 365.25 days.
const MONTH: f64 = 730.5 * HOUR;

impl Price {
    /// Returns the amount per second.
    pub fn per_second(&self) -> f64 {
        self.amount
            / match self.period {
                Period::Second => 1.0,
                Period::Hour => HOUR,
                Period::Day => 24.0 * HOUR,
                Period::Month => MONTH,
                Period::Year => 12.0 * MONTH,
            }
    }
}

impl TryFrom<String> for Price {
    type Error = PriceError;

    fn try_from(text: String) -> Result<Self, PriceError> {
        text.parse()
    }
}

impl From<Price> for String {
    fn from(price: Price) -> Self {
        price.to_string()
    }
}

impl FromStr for Price {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let wrong = |reason: &str| PriceError { given: text.to_owned(), reason: reason.to_owned() };
        let trimmed = text.trim();
        let end =
            trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
        let (amount, unit) = trimmed.split_at(end);
        let amount: f64 =
            amount.parse().map_err(|_| wrong("it does not begin with an amount from 0 up"))?;
        let (currency, period) =
            unit.split_once('/').ok_or_else(|| wrong("it has no currency and period"))?;
        let currency = currency.trim();
        if currency.is_empty() {
            return Err(wrong("it has no currency"));
        }
        let period = match period.trim() {
            "s" | "second" => Period::Second,
            "h" | "hour" => Period::Hour,
            "day" => Period::Day,
            "month" => Period::Month,
            "year" => Period::Year,
            _ => return Err(wrong("its period is none of second, hour, day, month and year")),
        };
        Ok(Self { amount, currency: currency.to_owned(), period })
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = match self.period {
            Period::Second => "second",
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Month => "month",
            Period::Year => "year",
        };
        write!(f, "{} {}/{period}", self.amount, self.currency)
    }
}

/// Prices of a processor and of a GiB of memory, in one currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    cpu: Price,
    memory: Price,
}

impl Prices {
    /// Joins two prices; `None` if there are none.
    ///
    /// # Errors
    /// Returns an error if only one is given, or if their currencies differ.
    pub fn new(cpu: Option<Price>, memory: Option<Price>) -> Result<Option<Self>, String> {
        match (cpu, memory) {
            (None, None) => Ok(None),
            (Some(cpu), Some(memory)) if cpu.currency == memory.currency => {
                Ok(Some(Self { cpu, memory }))
            }
            (Some(cpu), Some(memory)) => Err(format!(
                "--cpu-price is in {}, --memory-price in {}: write both in one currency",
                cpu.currency, memory.currency
            )),
            (Some(_), None) => Err("--cpu-price needs --memory-price beside it".to_owned()),
            (None, Some(_)) => Err("--memory-price needs --cpu-price beside it".to_owned()),
        }
    }

    /// Returns the prices of a processor and of a GiB per month.
    pub fn per_month(&self) -> (f64, f64) {
        (self.cpu.per_second() * MONTH, self.memory.per_second() * MONTH)
    }

    /// Returns the cost of a point: per month, and per million requests at a rate.
    pub fn cost(&self, point: Point, requests_per_second: f64) -> Cost<'_> {
        let gib = point.total_memory_bytes() as f64 / f64::from(1 << 30);
        let per_second =
            self.cpu.per_second() * point.total_cpus() + self.memory.per_second() * gib;
        Cost {
            currency: &self.cpu.currency,
            per_month: per_second * MONTH,
            per_million_requests: per_second / requests_per_second * 1e6,
        }
    }
}

impl fmt::Display for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for a processor, {} for a GiB of memory", self.cpu, self.memory)
    }
}

/// Cost of all replicas of a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost<'a> {
    /// Currency, as it was written.
    pub currency: &'a str,
    /// Cost per month.
    pub per_month: f64,
    /// Cost per million requests at the tested rate.
    pub per_million_requests: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_have_a_currency_and_a_period() {
        let price: Price = "31.5 USD/month".parse().unwrap();
        assert_eq!((price.amount, price.to_string().as_str()), (31.5, "31.5 USD/month"));
        assert_eq!("31.5USD/month".parse::<Price>(), Ok(price));
        let hourly: Price = "0.04 €/hour".parse().unwrap();
        assert!((hourly.per_second() * 3600.0 - 0.04).abs() < 1e-12);
        for (wrong, why) in [
            ("31.5", "no currency and period"),
            ("31.5 USD", "no currency and period"),
            ("31.5 /month", "no currency"),
            ("-1 USD/month", "does not begin with an amount"),
            ("1 USD/fortnight", "none of second, hour, day, month and year"),
            ("", "does not begin with an amount"),
        ] {
            let error = wrong.parse::<Price>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("31.5 USD/month"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_point_costs_what_its_parts_cost() {
        let prices =
            Prices::new("20 USD/month".parse().ok(), "4 USD/month".parse().ok()).unwrap().unwrap();
        let cost = prices.cost(Point::new(2, 500, 1 << 29), 1000.0);
        assert!((cost.per_month - 24.0).abs() < 1e-9, "{cost:?}");
        // 24 USD for 730.5 hours at 3.6 million requests an hour.
        assert!((cost.per_million_requests - 24.0 / (730.5 * 3.6)).abs() < 1e-9, "{cost:?}");
        assert!(
            Prices::new("1 USD/month".parse().ok(), None).unwrap_err().contains("--memory-price")
        );
        assert!(
            Prices::new("1 USD/month".parse().ok(), "1 EUR/month".parse().ok())
                .unwrap_err()
                .contains("EUR")
        );
    }
}
