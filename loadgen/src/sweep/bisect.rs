//! The smallest rung that passes, with few probes: gallop from a guess, then bisect.

/// Finds the smallest index in `0..=top` for which `passes`, taking that to be monotone. Begins at `guess`; `known_pass`
/// is an index that is known to pass. `None` if even `top` fails.
///
/// # Errors
/// Those of `passes`, at once.
pub fn smallest<E>(
    top: usize,
    known_pass: Option<usize>,
    guess: usize,
    mut passes: impl FnMut(usize) -> Result<bool, E>,
) -> Result<Option<usize>, E> {
    let mut passing = known_pass.map(|i| i.min(top));
    // Whether the passing end is near the threshold, or only known to pass from afar.
    let mut bracketed = false;
    let mut failing: Option<usize> = None;
    let mut stride = 1;
    let mut probe = guess.min(passing.map_or(top, |p| p.saturating_sub(1)));
    loop {
        match (failing, passing) {
            (_, Some(0)) => return Ok(Some(0)),
            (Some(f), Some(p)) if f + 1 >= p => return Ok(Some(p)),
            (Some(f), None) if f >= top => return Ok(None),
            _ => {}
        }
        if passes(probe)? {
            passing = Some(probe);
            bracketed = true;
        } else {
            failing = Some(probe);
        }
        probe = match (failing, passing) {
            (Some(f), Some(p)) if bracketed => f + (p - f) / 2,
            (Some(f), Some(p)) => (f + stride).min(p - 1),
            (Some(f), None) => (f + stride).min(top),
            (None, Some(p)) => p.saturating_sub(stride),
            (None, None) => probe,
        };
        stride *= 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_the_threshold_from_any_guess(top in 0usize..64, threshold in 0usize..70, guess in 0usize..70, know: bool) {
            let known = (know && threshold <= top).then_some(top);
            let mut probes = 0;
            let found = smallest(top, known, guess, |i| {
                probes += 1;
                Ok::<_, ()>(i >= threshold)
            });
            prop_assert_eq!(found, Ok((threshold <= top).then_some(threshold)));
            prop_assert!(probes <= 13, "{probes} probes");
        }

        #[test]
        fn a_good_guess_needs_few_probes(top in 10usize..64, threshold in 3usize..60, off in 0usize..3) {
            prop_assume!(threshold <= top);
            let mut probes = 0;
            let _ = smallest(top, Some(top), (threshold + off).saturating_sub(1), |i| {
                probes += 1;
                Ok::<_, ()>(i >= threshold)
            });
            prop_assert!(probes <= 4, "{probes} probes");
        }
    }
}
