//! Kafka's primitive types, in the plain and in the flexible (compact, tagged) encoding.

/// Reads a frame from its beginning on. Frames are the clients' own: a malformed one is a fault of this proxy.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(super) flexible: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, flexible: false }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.at += N;
        self.bytes[self.at - N..self.at].try_into().expect("N bytes")
    }

    pub(super) fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    pub(super) fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn varint(&mut self) -> usize {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.take();
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    /// A null array counts as an empty one.
    pub(super) fn array(&mut self) -> usize {
        if self.flexible { self.varint().saturating_sub(1) } else { usize::try_from(self.i32()).unwrap_or(0) }
    }

    /// A null string counts as an empty one.
    pub(super) fn string(&mut self) -> &'a [u8] {
        let size = if self.flexible {
            self.varint().saturating_sub(1)
        } else {
            usize::try_from(self.i16()).unwrap_or(0)
        };
        self.skip(size);
        &self.bytes[self.at - size..self.at]
    }

    pub(super) fn tags(&mut self) {
        if self.flexible {
            for _ in 0..self.varint() {
                self.varint();
                let size = self.varint();
                self.skip(size);
            }
        }
    }
}

pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    flexible: bool,
}

impl Writer {
    pub(super) fn new(flexible: bool) -> Self {
        Self { bytes: Vec::new(), flexible }
    }

    pub(super) fn i8(&mut self, value: i8) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn varint(&mut self, mut value: usize) {
        while value > 0x7f {
            self.bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
            value >>= 7;
        }
        self.bytes.push(u8::try_from(value).expect("seven bits"));
    }

    pub(super) fn array(&mut self, len: usize) {
        if self.flexible {
            self.varint(len + 1);
        } else {
            self.i32(i32::try_from(len).expect("small"));
        }
    }

    pub(super) fn string(&mut self, text: &[u8]) {
        if self.flexible {
            self.varint(text.len() + 1);
        } else {
            self.i16(i16::try_from(text.len()).expect("short"));
        }
        self.bytes.extend(text);
    }

    pub(super) fn null_string(&mut self) {
        if self.flexible { self.varint(0) } else { self.i16(-1) }
    }

    pub(super) fn empty_bytes(&mut self) {
        if self.flexible { self.varint(1) } else { self.i32(0) }
    }

    pub(super) fn tags(&mut self) {
        if self.flexible {
            self.bytes.push(0);
        }
    }
}
