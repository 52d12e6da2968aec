//! Who runs the container: the image's `User` looked up in the merged tree's own /etc/passwd and /etc/group, read as
//! they will be in the container (image-spec, config.md, `User`).

use anyhow::{Context, Result, bail};

/// `process.user` of config.json.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `process.user.uid`.
    pub uid: u32,
    /// `process.user.gid`.
    pub gid: u32,
    /// `process.user.additionalGids`.
    pub additional_gids: Vec<u32>,
}

/// A line of passwd(5), as far as it counts.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

/// A line of group(5).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: Vec<&'a str>,
}

impl User {
    /// Resolves `USER[:GROUP]`, each a name or a number. Without a group, the user's own groups apply; with one, only that
    /// one. A number needs no line in the files. An empty `user` is root, as with docker.
    ///
    /// # Errors
    /// A name that the files do not have.
    pub fn resolve(user: &str, passwd: &str, group: &str) -> Result<Self> {
        let (user, wanted_group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (user, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let account = accounts(passwd).find(|account| account.name == user);
        let (uid, account) = match (account, id(user)) {
            // A name wins over a number, as in chown(1): a user may be called `1000`.
            (Some(account), _) => (account.uid, Some(account)),
            (None, Some(uid)) => (uid, accounts(passwd).find(|account| account.uid == uid)),
            (None, None) => bail!("config.User: no user {user:?} in the image's /etc/passwd"),
        };
        if let Some(wanted) = wanted_group {
            return Ok(Self { uid, gid: resolve_group(wanted, group)?, additional_gids: Vec::new() });
        }
        let Some(account) = account else { return Ok(Self { uid, ..Self::default() }) };
        let own = groups(group).filter(|group| group.members.contains(&account.name));
        let mut additional_gids: Vec<u32> =
            own.map(|group| group.gid).filter(|&gid| gid != account.gid).collect();
        additional_gids.sort_unstable();
        additional_gids.dedup();
        Ok(Self { uid, gid: account.gid, additional_gids })
    }
}

fn resolve_group(wanted: &str, group: &str) -> Result<u32> {
    let found = groups(group).find(|group| group.name == wanted).map(|group| group.gid);
    let gid = found.or_else(|| id(wanted));
    gid.with_context(|| format!("config.User: no group {wanted:?} in the image's /etc/group"))
}

/// A user or group id: decimal digits and nothing else, and not the number with which setuid(2) leaves all as it is.
fn id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number != u32::MAX)
}

/// Lines that are not whole are passed over, as the C library does.
fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some(Account { name, uid: id(uid)?, gid: id(gid)? })
    })
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, gid) = (fields.next()?, fields.next()?, fields.next()?);
        let members = fields.next().unwrap_or_default().split(',').collect();
        Some(Group { name, gid: id(gid)?, members })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbad line\nann:x:1000:100::/home/ann:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:ann\nwheel:x:10:root,ann\naudio:x:29:ann\n";

    fn resolve(user: &str) -> (u32, u32, Vec<u32>) {
        let user = User::resolve(user, PASSWD, GROUP).unwrap();
        (user.uid, user.gid, user.additional_gids)
    }

    #[test]
    fn a_user_without_a_group_gets_all_of_his_groups() {
        assert_eq!(resolve("ann"), (1000, 100, vec![10, 29]));
        assert_eq!(resolve("1000"), (1000, 100, vec![10, 29]));
        assert_eq!(resolve(""), (0, 0, vec![10]));
    }

    #[test]
    fn a_named_group_stands_alone() {
        assert_eq!(resolve("ann:audio"), (1000, 29, vec![]));
        assert_eq!(resolve("ann:7"), (1000, 7, vec![]));
        assert_eq!(resolve(":wheel"), (0, 10, vec![]));
    }

    #[test]
    fn numbers_need_no_account_but_names_do() {
        assert_eq!(resolve("4242"), (4242, 0, vec![]));
        assert_eq!(resolve("4242:4343"), (4242, 4343, vec![]));
        assert!(User::resolve("bob", PASSWD, GROUP).is_err());
        assert!(User::resolve("ann:bobs", PASSWD, GROUP).is_err());
        for user in ["4294967296", "4294967295", "+0", "-1", "7:+8", "7:4294967295"] {
            assert!(User::resolve(user, PASSWD, GROUP).is_err(), "{user}");
        }
    }

    #[test]
    fn an_account_without_an_id_that_can_be_is_passed_over() {
        assert!(User::resolve("x", "x:p:4294967295:5::/:\n", GROUP).is_err());
        assert!(User::resolve("x", "x:p:+0:0::/:\n", GROUP).is_err());
    }
}
