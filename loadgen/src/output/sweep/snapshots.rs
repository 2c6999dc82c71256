//! Snapshots of a sweep's texts, for a simulated service with a known seed.

use sizing::{
    simulator::{KINDS, World},
    sweep::{Answer, Next, answer, next},
    trial::{Settings, Trial},
};

use super::{Extent, HEADER, Summary, count_line, row};
use crate::output::{
    Source,
    manifests::{compose, docker_run, kubernetes},
    tables,
};

fn sweep(replicas: &[u32]) -> (Settings, Vec<Trial>) {
    let settings = Settings { replicas: replicas.to_vec(), ..Settings::example() };
    let mut world = World::new(KINDS[0].service, KINDS[0].machine, 7);
    let mut trials = Vec::new();
    while let Next::Try(planned) = next(&settings, &trials) {
        trials.push(world.trial(&settings, planned.spec));
    }
    (settings, trials)
}

fn source() -> Source {
    Source {
        image: Some("registry.example/iris:1".to_owned()),
        digest: Some(format!("registry.example/iris@sha256:{}", "a".repeat(64))),
        port: 8000,
        env: vec![("OMP_NUM_THREADS".to_owned(), "1".to_owned())],
        mounts: vec![("/srv/models".into(), "/models".into())],
        open_files: 65_536,
        ready_path: "/health".to_owned(),
        ..Source::default()
    }
}

#[test]
fn the_terminals_rows() {
    let (settings, trials) = sweep(&[1]);
    let mut rows = vec![HEADER.to_owned()];
    for (index, trial) in trials.iter().enumerate() {
        let so_far = answer(&settings, &trials[..=index]);
        rows.push(row(index + 1, trial, so_far.per_replicas.first()));
    }
    rows.extend(answer(&settings, &trials).per_replicas.iter().map(|a| count_line(a, &settings)));
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn the_summary_of_three_replica_counts() {
    let (settings, trials) = sweep(&[1, 2, 4]);
    let found = answer(&settings, &trials);
    let table = tables::minima(&settings, &found, &trials, None).to_string();
    let Summary { minimum, replicas_shrink, capacity, instances, machine, cold_start, .. } =
        Summary::new(&settings, &found, &trials, Extent::Whole);
    let texts = [table, minimum, replicas_shrink, capacity, instances, machine, cold_start];
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn the_manifests() {
    let (settings, trials) = sweep(&[1, 2]);
    let found: Answer<'_> = answer(&settings, &trials);
    let minimum = found.cheapest(&settings).expect("an answer");
    let confirmation = minimum.confirmation(&trials);
    insta::assert_snapshot!("compose.yaml", compose::file(&source(), minimum.point));
    insta::assert_snapshot!("docker run", docker_run::line(&source(), minimum.point));
    insta::assert_snapshot!(
        "kubernetes.yaml",
        kubernetes::file(&source(), minimum.point, None, confirmation)
    );
}
