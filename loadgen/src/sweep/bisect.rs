//! The smallest rung that passes, with few probes: gallop from a guess, then bisect, led by what the probes teach.

/// What probing a rung brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Whether it passes.
    pub passes: bool,
    /// The rung that, by what was measured there, is likely to be the smallest that passes.
    pub likely: Option<usize>,
}

/// Finds the smallest index in `0..=top` that passes, taking that to be monotone. Begins at `guess`; `known_pass` is an
/// index that is known to pass. The answer and the rung below it were both probed, unless `probe` gave out before: where it
/// says `None`, there is no more to spend, and the smallest index that passed by then is the answer. `None` if no index is
/// known to pass.
///
/// # Errors
/// Those of `probe`, at once.
pub fn smallest<E>(
    top: usize,
    known_pass: Option<usize>,
    guess: usize,
    mut probe: impl FnMut(usize) -> Result<Option<Probe>, E>,
) -> Result<Option<usize>, E> {
    let mut passing = known_pass.map(|i| i.min(top));
    // Whether the passing end was probed, or is only known to pass from afar.
    let mut is_near = false;
    let mut failing: Option<usize> = None;
    let mut stride = 1;
    let mut at = guess.min(passing.map_or(top, |p| p.saturating_sub(1)));
    loop {
        match (failing, passing) {
            (_, Some(0)) => return Ok(Some(0)),
            (Some(f), Some(p)) if f + 1 >= p => return Ok(Some(p)),
            (Some(f), None) if f >= top => return Ok(None),
            _ => {}
        }
        let Some(Probe { passes, likely }) = probe(at)? else { return Ok(passing) };
        if passes {
            passing = Some(at);
            is_near = true;
        } else {
            failing = Some(at);
        }
        at = match (failing, passing) {
            (Some(f), Some(p)) if is_near => between(f, p, likely),
            (Some(f), Some(p)) => likely.unwrap_or(0).max(f + stride).min(p - 1),
            (Some(f), None) => likely.unwrap_or(0).max(f + stride).min(top),
            // By what was measured there is none below: those are tried with care.
            (None, Some(p)) if likely.is_some_and(|likely| likely >= p) => p.saturating_sub((stride / 2).max(1)),
            (None, Some(p)) => likely.unwrap_or(p).min(p.saturating_sub(stride)),
            (None, None) => at,
        };
        stride *= 2;
    }
}

/// The next index between one that fails and one that passes.
fn between(failing: usize, passing: usize, likely: Option<usize>) -> usize {
    let middle = failing + (passing - failing) / 2;
    match likely {
        Some(likely) if failing < likely && likely < passing => likely,
        // As small as it can be, by what was measured: begin near it, but do not walk.
        Some(likely) if likely >= passing => middle + (passing - middle) / 2,
        _ => middle,
    }
    .min(passing - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(
        top: usize,
        known: Option<usize>,
        guess: usize,
        threshold: usize,
        likely: Option<usize>,
        most: usize,
    ) -> (Option<usize>, usize) {
        let mut probes = 0;
        let found = smallest(top, known, guess, |i| {
            probes += 1;
            Ok::<_, ()>((probes <= most).then_some(Probe { passes: i >= threshold, likely }))
        });
        (found.unwrap(), probes)
    }

    proptest! {
        #[test]
        fn finds_the_threshold_from_any_guess(
            top in 0usize..64, threshold in 0usize..70, guess in 0usize..70, know: bool,
            likely in proptest::option::of(0usize..70),
        ) {
            let known = (know && threshold <= top).then_some(top);
            let (found, probes) = found(top, known, guess, threshold, likely, usize::MAX);
            prop_assert_eq!(found, (threshold <= top).then_some(threshold));
            prop_assert!(probes <= 20, "{probes} probes");
        }

        #[test]
        fn a_good_guess_needs_few_probes(top in 10usize..64, threshold in 3usize..60, off in 0usize..3) {
            prop_assume!(threshold <= top);
            let guess = (threshold + off).saturating_sub(1);
            let (_, probes) = found(top, Some(top), guess, threshold, None, usize::MAX);
            prop_assert!(probes <= 4, "{probes} probes");
        }

        #[test]
        fn what_a_probe_teaches_replaces_a_good_guess(top in 10usize..64, threshold in 1usize..60, guess in 0usize..64) {
            prop_assume!(threshold <= top);
            let (found, probes) = found(top, Some(top), guess, threshold, Some(threshold), usize::MAX);
            prop_assert_eq!(found, Some(threshold));
            prop_assert!(probes <= 9, "{probes} probes");
        }

        #[test]
        fn what_is_one_below_a_rung_that_was_taken_to_be_the_last_is_not_jumped_over(
            top in 10usize..64, threshold in 2usize..60,
        ) {
            prop_assume!(threshold + 2 <= top);
            let (found, probes) = found(top, Some(top), threshold + 1, threshold, Some(top), usize::MAX);
            prop_assert_eq!((found, probes), (Some(threshold), 3));
        }

        #[test]
        fn without_more_to_spend_the_answer_is_one_that_passed(
            top in 1usize..64, threshold in 0usize..64, guess in 0usize..64, most in 0usize..6,
        ) {
            prop_assume!(threshold <= top);
            let (answer, _) = found(top, Some(top), guess, threshold, None, most);
            prop_assert!(answer.is_some_and(|answer| answer >= threshold && answer <= top));
        }
    }
}
