//! `compose.yaml` with the limits that were found.

use crate::sweep::Minimum;

/// A Compose file that starts `image` with the limits of `minimum`. One replica is published on 8000 of the loopback
/// interface, several on a range from there.
pub fn file(image: &str, port: u16, minimum: &Minimum) -> String {
    let point = minimum.point;
    let published = match point.replicas {
        1 => format!("127.0.0.1:8000:{port}"),
        r => format!("127.0.0.1:8000-{}:{port}", 8000 + r - 1),
    };
    format!(
        "# Written by loadgen sweep: the smallest limits found.\n\
         services:\n  \
           api:\n    \
             image: {image}\n    \
             ports: [\"{published}\"]\n    \
             cap_drop: [ALL]\n    \
             security_opt: [\"no-new-privileges:true\"]\n    \
             deploy:\n      \
               replicas: {}\n      \
               resources:\n        \
                 limits:\n          \
                   cpus: \"{}\"\n          \
                   memory: \"{}\"\n          \
                   pids: 512\n",
        point.replicas, point.limits.cpus, point.limits.memory_bytes
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Below, Point};

    #[test]
    fn limits_are_per_replica() {
        let point = Point::new(2, 100, 64 << 20);
        let minimum = Minimum { point, below_cpus: Below::Fails, below_memory: Below::Fails };
        let text = file("inference-api", 8000, &minimum);
        assert!(text.contains("      replicas: 2\n") && text.contains("          cpus: \"0.1\"\n"));
        assert!(text.contains("memory: \"67108864\"") && text.contains("127.0.0.1:8000-8001:8000"));
    }
}
