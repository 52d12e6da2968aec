//! systemd makes the container's cgroup (`--systemd-cgroup`): a transient scope or slice, so that systemd knows of it,
//! counts it, and does not take away what it was not told of. Planners use [`resolve`] and [`properties`]; the parent and
//! the commands use [`Manager`], which performs.
//!
//! Facts: org.freedesktop.systemd1(5), systemd.resource-control(5), and systemd's "Control Group APIs and Delegation":
//! cgroups outside of a delegated one are systemd's alone to make.

mod bus;
pub mod properties;
mod unit;
pub mod value;

pub use bus::Error;
pub use unit::{Unit, resolve};

use crate::host::is_unprivileged;
use crate::sys::cred;
use bus::{Bus, Call};
use properties::Property;
use std::cell::RefCell;
use value::Value;

/// The annotation, crun's, that names a cgroup in the unit's, which the container gets.
pub const SUBGROUP: &str = "run.oci.systemd.subgroup";

const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const OBJECT: &str = "/org/freedesktop/systemd1";

/// systemd, connected.
#[derive(Debug)]
pub struct Manager {
    bus: RefCell<Bus>,
    /// It is a user's own.
    pub user: bool,
}

/// Whether the caller's systemd is a user's own. Root of a user namespace may be in a machine container, which has a system's.
#[must_use]
pub fn is_users() -> bool {
    let told = || {
        ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"].iter().any(|name| std::env::var_os(name).is_some())
    };
    is_unprivileged() && (cred::euid() != 0 || told())
}

impl Manager {
    /// Connects to systemd, by its own socket or else by the bus.
    pub fn connect(user: bool) -> Result<Manager, Error> {
        let mut first = None;
        for (path, routed) in sockets(user) {
            match Bus::connect(&path, routed) {
                Ok(bus) => return Ok(Manager { bus: RefCell::new(bus), user }),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(Error::Kernel("find the socket of the user's", crate::sys::Errno::ENOENT)))
    }

    /// The cgroup below which it makes its own; empty for the root of all.
    pub fn root(&self) -> Result<String, Error> {
        let call = Call { path: OBJECT, interface: "org.freedesktop.DBus.Properties", member: "Get" };
        let body = [Value::string(MANAGER), Value::string("ControlGroup")];
        match self.bus.borrow_mut().call(&call, &body)?.first() {
            Some(Value::Variant(value)) => {
                Ok(value.text().unwrap_or_default().trim_end_matches('/').to_owned())
            }
            _ => Err(Error::Nonsense("no cgroup")),
        }
    }

    /// Starts a new unit, with `pid` in it if it is a scope, and waits until it is there.
    pub fn start(&self, unit: &str, properties: &[Property], pid: Option<u32>) -> Result<(), Error> {
        let mut properties = values(properties)?;
        if let Some(pid) = pid {
            let pids = Value::Array("u".to_owned(), vec![Value::U32(pid)]);
            properties.push(Value::Struct(vec![Value::string("PIDs"), Value::variant(pids)]));
        }
        let auxiliary = Value::Array("(sa(sv))".to_owned(), Vec::new());
        let properties = Value::Array("(sv)".to_owned(), properties);
        let body = [Value::string(unit), Value::string("fail"), properties, auxiliary];
        self.job("StartTransientUnit", &body)
    }

    /// Stops a unit and has systemd forget it; one that is not there is no error.
    pub fn stop(&self, unit: &str) -> Result<(), Error> {
        let gone = |result: Result<(), Error>| match result {
            Err(Error::Refused(name, _)) if name == "org.freedesktop.systemd1.NoSuchUnit" => Ok(()),
            other => other,
        };
        gone(self.job("StopUnit", &[Value::string(unit), Value::string("replace")]))?;
        gone(self.manage("ResetFailedUnit", &[Value::string(unit)]).map(drop))
    }

    /// Changes properties of a unit until it ends.
    pub fn set(&self, unit: &str, properties: &[Property]) -> Result<(), Error> {
        let properties = Value::Array("(sv)".to_owned(), values(properties)?);
        self.manage("SetUnitProperties", &[Value::string(unit), Value::Bool(true), properties]).map(drop)
    }

    /// Moves a process of the caller's into the cgroup of a unit, or into the one `below` it (`/name`, or empty). A user's
    /// systemd has the system's do it where it may not itself.
    pub fn attach(&self, unit: &str, below: &str, pid: u32) -> Result<(), Error> {
        let pids = Value::Array("u".to_owned(), vec![Value::U32(pid)]);
        let body = [Value::string(unit), Value::string(below), pids];
        self.manage("AttachProcessesToUnit", &body).map(drop)
    }

    fn manage(&self, member: &str, body: &[Value]) -> Result<Vec<Value>, Error> {
        self.bus.borrow_mut().call(&Call { path: OBJECT, interface: MANAGER, member }, body)
    }

    /// A call that begins a job, and the job's end.
    fn job(&self, member: &str, body: &[Value]) -> Result<(), Error> {
        let answer = self.manage(member, body)?;
        let job = answer.first().and_then(Value::text).ok_or(Error::Nonsense("no job"))?;
        match self.bus.borrow_mut().job(job)?.as_str() {
            "done" => Ok(()),
            other => Err(Error::Refused(other.to_owned(), "the job has not come to its end".to_owned())),
        }
    }
}

/// Where systemd may listen, and whether a bus is between.
fn sockets(user: bool) -> Vec<(String, bool)> {
    if !user {
        let bus = "/run/dbus/system_bus_socket";
        return vec![("/run/systemd/private".to_owned(), false), (bus.to_owned(), true)];
    }
    let dir = std::env::var("XDG_RUNTIME_DIR").ok().filter(|dir| dir.starts_with('/'));
    let address = std::env::var("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
    let mut all: Vec<(String, bool)> =
        dir.iter().map(|dir| (format!("{dir}/systemd/private"), false)).collect();
    all.extend(in_address(&address).map(|path| (path, true)));
    all.extend(dir.map(|dir| (format!("{dir}/bus"), true)));
    all
}

/// The first socket with a path in a list of addresses, `unix:path=/run/user/7/bus,guid=...;...` (D-Bus Specification,
/// "Server Addresses").
fn in_address(list: &str) -> Option<String> {
    let options = list.split(';').filter_map(|address| address.strip_prefix("unix:"));
    let path =
        options.flat_map(|options| options.split(',')).find_map(|option| option.strip_prefix("path="))?;
    let mut parts = path.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part.get(2..)?.bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Properties as `a(sv)` has them. The planner has read all of them before.
fn values(properties: &[Property]) -> Result<Vec<Value>, Error> {
    let of = |(name, text): &Property| {
        let value = value::parse(text).map_err(|why| Error::Refused(name.clone(), why))?;
        Ok(Value::Struct(vec![Value::string(name), Value::variant(value)]))
    };
    properties.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_address_is_found_and_unescaped() {
        let of = |list: &str| in_address(list);
        assert_eq!(of("unix:path=/run/user/7/bus"), Some("/run/user/7/bus".to_owned()));
        assert_eq!(of("tcp:host=a;unix:guid=1,path=/a%20b%2fc;unix:path=/d"), Some("/a b/c".to_owned()));
        for none in ["", "unix:abstract=/a", "tcp:path=/a", "unix:path=/a%2", "unix:path=/%zz"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn properties_are_sent_with_their_types() {
        let properties = [("TasksMax".to_owned(), "uint64 5".to_owned())];
        let value = Value::Struct(vec![Value::string("TasksMax"), Value::variant(Value::U64(5))]);
        assert_eq!(values(&properties), Ok(vec![value]));
        assert!(values(&[("A".to_owned(), "nonsense".to_owned())]).is_err());
    }
}
