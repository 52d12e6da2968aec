//! A process that does nothing but be in a scope of systemd, which ends with its last process. Made and ended by the
//! parent; it shares nothing with the child.

use crate::sys::process::{self, Side, clone};
use crate::sys::{Errno, Result, fs, socket};
use std::os::fd::OwnedFd;

/// The process; it ends with this value, or when the command dies.
pub struct Holder {
    /// Its id in the command's pid namespace.
    pub pid: u32,
    pidfd: OwnedFd,
    /// The end of this is the end of the command.
    _link: OwnedFd,
}

impl Holder {
    /// Makes the process.
    pub fn make() -> Result<Holder> {
        let (ours, theirs) = socket::pair()?;
        match process::clone3(clone::PIDFD, libc::SIGCHLD, None)? {
            Side::Parent(pid, pidfd) => {
                let pid = u32::try_from(pid).map_err(|_| Errno::ESRCH)?;
                Ok(Holder { pid, pidfd: pidfd.ok_or(Errno::ECHILD)?, _link: ours })
            }
            Side::Child => {
                drop(ours);
                // Nothing is ever sent. Signals may come, as to any process of a service.
                while fs::read(&theirs, &mut [0]) == Err(Errno::EINTR) {}
                process::exit_now(0)
            }
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = process::pidfd_send_signal(&self.pidfd, libc::SIGKILL);
        let _ = process::wait(&self.pidfd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_as_long_as_its_value() {
        // clone3 must not be called where other threads are: so in a child of its own, which has one.
        let Side::Parent(_, Some(test)) = process::clone3(clone::PIDFD, libc::SIGCHLD, None).unwrap() else {
            let holder = Holder::make().unwrap();
            let path = format!("/proc/{}/stat", holder.pid);
            let there = std::fs::exists(&path).unwrap();
            drop(holder);
            process::exit_now(i32::from(!there || std::fs::exists(&path).unwrap()))
        };
        assert_eq!(process::wait(&test), Ok(0));
    }
}
