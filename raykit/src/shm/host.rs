//! A number for this host and user.

/// The same for two processes that can share memory: of one user, on one running system, in one
/// namespace of users (to which their numbers belong) and of networks (to which the names of
/// sockets do). 0 where that cannot be found out.
pub(crate) fn host() -> u128 {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let (users, network) =
        (std::fs::read_link("/proc/self/ns/user"), std::fs::read_link("/proc/self/ns/net"));
    let (Ok(boot), Ok(users), Ok(network)) = (boot, users, network) else { return 0 };
    let user = rustix::process::geteuid().as_raw();
    let text = format!("{} {user} {} {}", boot.trim(), users.display(), network.display());
    digest(text.as_bytes())
}

/// FNV-1a: it has to be the same in all programs, and nobody gains by finding another text for a
/// number.
fn digest(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_the_same_each_time_and_no_other() {
        assert_ne!(host(), 0);
        assert_eq!(host(), host());
        // The published value for this text.
        assert_eq!(digest(b"foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }
}
