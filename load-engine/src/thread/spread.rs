//! Distribution of a thread's users over changing addresses.

use loadtest::workload::{Address, Targets, Traffic};

use super::{Thread, user::State};

/// Assigns users to addresses, in the order of their numbers. For any number of present users the
/// counts of the addresses differ by at most one, and a user that need not move stays.
struct Spread<'a> {
    active: &'a [usize],
    /// Users of each active address so far.
    counts: Vec<u32>,
}

impl Thread {
    /// Applies changes of the addresses that take load.
    pub(super) fn follow_pool(&mut self) {
        let Some(addresses) = self.work.targets.pool.newer_than(&mut self.pool_version) else {
            return;
        };
        self.work.targets.update(&addresses);
        let count = self.work.targets.len();
        self.busy.resize(count, 0);
        self.free.resize_with(count, Vec::new);
        self.active = self.work.targets.active().collect();
        self.last_target %= self.active.len().max(1);
        self.recorder.reach(addresses_of(&self.work.targets));
        match self.work.segment.plan.traffic {
            Traffic::Closed(_) => self.spread_users(),
            Traffic::Open { .. } => self.leave_addresses(),
        }
    }

    /// Assigns an address to each user of the closed model.
    pub(super) fn spread_users(&mut self) {
        let active = std::mem::take(&mut self.active);
        let mut spread = Spread { active: &active, counts: vec![0; active.len()] };
        for index in 0..self.users.len() {
            let target = spread.assign(self.users[index].connection.target);
            self.assign(index, target);
        }
        self.active = active;
    }

    /// Closes the open model's connections to addresses that left; new ones are made as arrivals
    /// need them.
    fn leave_addresses(&mut self) {
        let idle: Vec<u32> = (0..self.free.len())
            .filter(|&target| !self.work.targets.is_active(target))
            .flat_map(|target| std::mem::take(&mut self.free[target]))
            .collect();
        for index in 0..self.users.len() {
            let target = self.users[index].connection.target;
            let is_active = self.work.targets.is_active(target);
            self.assign(
                index,
                if is_active { target } else { self.work.targets.next_active(target) },
            );
        }
        for index in idle {
            self.free[self.users[index as usize].connection.target].push(index);
        }
    }

    /// Assigns another address to a user: at once, or after the request in flight. A request that
    /// is still connecting to an address that left was not sent, and goes to the new address.
    fn assign(&mut self, index: usize, target: usize) {
        let user = &mut self.users[index];
        user.connection.moves_to = Some(target).filter(|_| target != user.connection.target);
        if user.connection.moves_to.is_none() {
            return;
        }
        match user.state {
            State::Waiting => user.connection.move_on(),
            State::Connecting if !self.work.targets.is_active(user.connection.target) => {
                user.connection.close();
                let now = self.now();
                self.connect(index, now);
            }
            _ => {}
        }
    }
}

/// Returns the addresses of all targets, in the order of their indices.
pub(super) fn addresses_of(targets: &Targets) -> impl Iterator<Item = Address> + '_ {
    (0..targets.len()).map(|target| targets.address(target))
}

impl Spread<'_> {
    fn assign(&mut self, current: usize) -> usize {
        let fewest = self.counts.iter().copied().min().unwrap_or(0);
        let mine = self.active.iter().position(|&target| target == current);
        let place = mine
            .filter(|&place| self.counts[place] == fewest)
            .or_else(|| self.counts.iter().position(|&count| count == fewest));
        let Some(place) = place else { return current };
        self.counts[place] += 1;
        self.active[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(users: &[usize], active: &[usize]) -> Vec<usize> {
        let mut spread = Spread { active, counts: vec![0; active.len()] };
        users.iter().map(|&user| spread.assign(user)).collect()
    }

    #[test]
    fn users_are_even_whatever_comes_and_goes() {
        let mut users: Vec<usize> = (0..100).map(|number| number % 2).collect();
        for active in [&[0, 1][..], &[0, 1, 2], &[0, 2], &[2, 3, 4, 5, 6], &[1]] {
            users = spread(&users, active);
            for present in 1..=users.len() {
                let counts = active
                    .iter()
                    .map(|target| users[..present].iter().filter(|u| *u == target).count());
                let (least, most) = (counts.clone().min().unwrap(), counts.max().unwrap());
                assert!(most - least <= 1, "{present} users on {active:?}: {least} to {most}");
            }
        }
    }

    #[test]
    fn those_that_need_not_move_stay() {
        let before: Vec<usize> = (0..99).map(|number| number % 2).collect();
        let after = spread(&before, &[0, 1, 2]);
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert_eq!(moved, 33);
        assert_eq!(spread(&after, &[0, 1, 2]), after);
    }

    #[test]
    fn without_any_address_users_stay_where_they_are() {
        assert_eq!(spread(&[0, 1], &[]), [0, 1]);
    }
}
