//! A tar maker. It writes what it is told, right or wrong; only the checksum is right unless spoilt on purpose.

/// An archive in the making.
#[derive(Clone, Default)]
pub struct Tar {
    pub bytes: Vec<u8>,
}

/// One header and the data after it.
#[derive(Clone)]
pub struct Member {
    name: Vec<u8>,
    flag: u8,
    mode: u64,
    uid: u64,
    gid: u64,
    mtime: u64,
    link: Vec<u8>,
    device: (u64, u64),
    data: Vec<u8>,
    magic: [u8; 8],
    /// Bytes to put over the finished header, before the checksum.
    patches: Vec<(usize, Vec<u8>)>,
    /// Records of an `x` header before it.
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A member of this type; see the constructors below.
pub fn member(name: impl AsRef<[u8]>, flag: u8) -> Member {
    Member {
        name: name.as_ref().to_vec(),
        flag,
        mode: if flag == b'5' { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        mtime: 1_000_000_000,
        link: Vec::new(),
        device: (0, 0),
        data: Vec::new(),
        magic: *b"ustar\x0000",
        patches: Vec::new(),
        records: Vec::new(),
    }
}

pub fn file(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Member {
    Member { data: data.as_ref().to_vec(), ..member(name, b'0') }
}

pub fn dir(name: impl AsRef<[u8]>) -> Member {
    member(name, b'5')
}

pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Member {
    Member { link: target.as_ref().to_vec(), ..member(name, b'2') }
}

pub fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Member {
    Member { link: target.as_ref().to_vec(), ..member(name, b'1') }
}

pub fn device(name: impl AsRef<[u8]>, flag: u8, major: u64, minor: u64) -> Member {
    Member { device: (major, minor), ..member(name, flag) }
}

impl Member {
    pub fn mode(self, mode: u64) -> Self {
        Self { mode, ..self }
    }

    pub fn owner(self, uid: u64, gid: u64) -> Self {
        Self { uid, gid, ..self }
    }

    pub fn mtime(self, mtime: u64) -> Self {
        Self { mtime, ..self }
    }

    pub fn data(self, data: impl AsRef<[u8]>) -> Self {
        Self { data: data.as_ref().to_vec(), ..self }
    }

    pub fn gnu(self) -> Self {
        Self { magic: *b"ustar  \0", ..self }
    }

    pub fn v7(self) -> Self {
        Self { magic: [0; 8], ..self }
    }

    pub fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.records.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    pub fn patch(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.patches.push((at, bytes.as_ref().to_vec()));
        self
    }

    fn header(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name);
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, format!("{:07o}\0", self.uid).as_bytes());
        put(116, format!("{:07o}\0", self.gid).as_bytes());
        put(124, format!("{:011o}\0", self.data.len()).as_bytes());
        put(136, format!("{:011o}\0", self.mtime).as_bytes());
        put(156, &[self.flag]);
        put(157, &self.link);
        put(257, &self.magic);
        if self.magic != [0; 8] {
            put(329, format!("{:07o}\0", self.device.0).as_bytes());
            put(337, format!("{:07o}\0", self.device.1).as_bytes());
        }
        for (at, bytes) in &self.patches {
            put(*at, bytes);
        }
        let outside = block[..148].iter().chain(&block[156..]);
        let sum = outside.map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

/// One PAX record with its own length in front.
pub fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let body = [b" ".as_slice(), key, b"=", value, b"\n"].concat();
    let mut length = body.len();
    while length != body.len() + length.to_string().len() {
        length = body.len() + length.to_string().len();
    }
    [length.to_string().as_bytes(), &body].concat()
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member, with an `x` header before it if it has records.
    pub fn add(mut self, member: Member) -> Self {
        if !member.records.is_empty() {
            let body: Vec<u8> = member.records.iter().flat_map(|(key, value)| record(key, value)).collect();
            self = self.raw(&super::tar::member("x", b'x').data(body));
        }
        self.raw(&member)
    }

    /// Adds a member as `L` and `K` of GNU tar would: with its long name before it.
    pub fn add_long(self, name: &[u8], member: Member) -> Self {
        let long = super::tar::member("././@LongLink", b'L').gnu().data([name, b"\0"].concat());
        self.add(long).add(member.gnu())
    }

    fn raw(mut self, member: &Member) -> Self {
        self.bytes.extend(member.header());
        self.bytes.extend(&member.data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// Ends the archive.
    pub fn end(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }
}
