//! The same request in Goose; think times of 1 to 2.5 s when THINK is set.

use std::time::Duration;

use goose::prelude::*;

async fn predict(user: &mut GooseUser) -> TransactionResult {
    user.post("/predict", r#"{"features":[5.1,3.5,1.4,0.2]}"#).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), GooseError> {
    let mut scenario = scenario!("predict").register_transaction(transaction!(predict));
    if std::env::var_os("THINK").is_some() {
        scenario =
            scenario.set_wait_time(Duration::from_millis(1000), Duration::from_millis(2500))?;
    }
    GooseAttack::initialize()?.register_scenario(scenario).execute().await?;
    Ok(())
}
