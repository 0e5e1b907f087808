//! A real Apache Kafka of one node or several (no Zookeeper), from its Maven artifacts, on free ports of the loopback.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(120);

/// One node. Killed, by its own handle, when dropped.
pub(crate) struct Kafka {
    /// `None` while it is down.
    child: Option<Child>,
    dir: PathBuf,
    pub(crate) port: u16,
}

/// Where a node listens.
#[derive(Clone, Copy)]
struct Ports {
    clients: u16,
    controller: u16,
    /// What clients are told to connect to.
    advertised: u16,
    /// Where clients have to say who they are.
    guarded: Option<u16>,
}

impl Kafka {
    /// A broker that clients reach on its own port.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_advertising(name, None)
    }

    /// A broker with more settings, a line each.
    pub(crate) fn start_set(name: &str, settings: &str) -> Self {
        Self::start_cluster_with(name, 1, settings).remove(0)
    }

    /// A broker at a port that was free a moment ago: clients may know it before.
    pub(crate) fn start_at(name: &str, port: u16) -> Self {
        Self::start_with(name, port, port)
    }

    /// A broker that tells clients to come by another port: a proxy's.
    pub(crate) fn start_advertising(name: &str, advertised: Option<u16>) -> Self {
        let port = free_port();
        Self::start_with(name, port, advertised.unwrap_or(port))
    }

    fn start_with(name: &str, clients: u16, advertised: u16) -> Self {
        let ports = Ports { clients, controller: free_port(), advertised, guarded: None };
        let mut kafka = Self::prepare(name, 1, &[ports]);
        kafka.run();
        kafka.answers();
        kafka
    }

    /// A broker with a second address, where it lets in this user and nobody else.
    pub(crate) fn start_guarded(name: &str, user: &str, password: &str) -> (Self, String) {
        let (clients, guarded) = (free_port(), free_port());
        let ports = Ports { clients, controller: free_port(), advertised: clients, guarded: Some(guarded) };
        let mut kafka = Self::prepare(name, 1, &[ports]);
        kafka.let_in(user, password);
        kafka.run();
        kafka.answers();
        (kafka, format!("127.0.0.1:{guarded}"))
    }

    /// The same, and this user may do only what it is allowed to. Who comes by the first address may do everything.
    pub(crate) fn start_authorizing(name: &str, user: &str, password: &str) -> (Self, String) {
        let (clients, guarded) = (free_port(), free_port());
        let ports = Ports { clients, controller: free_port(), advertised: clients, guarded: Some(guarded) };
        let mut kafka = Self::prepare(name, 1, &[ports]);
        let file = kafka.dir.join("server.properties");
        let properties = fs::read_to_string(&file).expect("its settings");
        fs::write(file, properties + AUTHORIZER).expect("its settings");
        kafka.let_in(user, password);
        kafka.run();
        kafka.answers();
        (kafka, format!("127.0.0.1:{guarded}"))
    }

    /// A cluster of so many nodes; every topic is on all of them.
    pub(crate) fn start_cluster(name: &str, nodes: usize) -> Vec<Self> {
        Self::start_cluster_with(name, nodes, "")
    }

    /// One with more settings, a line each.
    pub(crate) fn start_cluster_with(name: &str, nodes: usize, settings: &str) -> Vec<Self> {
        let port = |_| {
            let (clients, controller) = (free_port(), free_port());
            Ports { clients, controller, advertised: clients, guarded: None }
        };
        let ports: Vec<Ports> = (0..nodes).map(port).collect();
        let mut cluster: Vec<Self> = (1..=nodes).map(|node| Self::prepare(name, node, &ports)).collect();
        for node in &cluster {
            node.set(settings);
        }
        cluster.iter_mut().for_each(Self::run);
        cluster.iter().for_each(Self::answers);
        cluster
    }

    /// Its directory and settings, formatted.
    fn prepare(name: &str, node: usize, ports: &[Ports]) -> Self {
        let dir = target().join("kafka").join(format!("{name}-{node}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory for the broker");
        fs::write(dir.join("server.properties"), properties(&dir, node, ports)).expect("its settings");
        fs::write(dir.join("log4j2.properties"), LOGS).expect("its log settings");
        let format = java(&jars(), &dir)
            .args([
                "kafka.tools.StorageTool",
                "format",
                "--ignore-formatted",
                "-t",
                "MkU3OEVBNTcwNTJENDM2Qk",
                "-c",
            ])
            .arg(dir.join("server.properties"))
            .output()
            .expect("java runs");
        assert!(format.status.success(), "formatting: {}", String::from_utf8_lossy(&format.stderr));
        Self { child: None, dir, port: ports[node - 1].clients }
    }

    /// Starts it, for the first time or again. Returns at once.
    pub(crate) fn run(&mut self) {
        let log =
            File::options().create(true).append(true).open(self.dir.join("broker.log")).expect("its log");
        let child = java(&jars(), &self.dir)
            .arg("kafka.Kafka")
            .arg(self.dir.join("server.properties"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("its log"))
            .stderr(log)
            .spawn()
            .expect("java runs");
        self.child = Some(child);
    }

    /// Waits until it takes connections.
    pub(crate) fn answers(&self) {
        let until = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Instant::now() < until, "the broker does not answer; see {}", self.dir.display());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// From its next start on, it has these settings, a line each.
    pub(crate) fn set(&self, settings: &str) {
        let file = self.dir.join("server.properties");
        let mut properties = File::options().append(true).open(file).expect("its settings");
        writeln!(properties, "{settings}").expect("its settings");
    }

    /// From its next start on, a guarded one lets in this user and nobody else.
    pub(crate) fn let_in(&self, user: &str, password: &str) {
        let file = self.dir.join("server.properties");
        let properties = fs::read_to_string(&file).expect("its settings");
        let (kept, _) = properties.split_once(LOGIN).unwrap_or((&properties, ""));
        let properties = format!("{kept}{LOGIN} required user_{user}=\"{password}\";\n");
        fs::write(file, properties).expect("its settings");
    }

    /// Writes over the first such bytes in the log of a partition; clients read them so at once.
    pub(crate) fn overwrite(&self, topic: &str, partition: i32, there: &str, instead: &str) {
        assert_eq!(there.len(), instead.len(), "a log's bytes do not move");
        let log = self.dir.join(format!("data/{topic}-{partition}/{:020}.log", 0));
        let bytes = fs::read(&log).expect("the partition's log");
        let at = bytes.windows(there.len()).position(|bytes| bytes == there.as_bytes());
        let at = u64::try_from(at.expect("it is there")).expect("a position");
        let log = File::options().write(true).open(log).expect("the partition's log");
        log.write_all_at(instead.as_bytes(), at).expect("it is written");
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM: it hands over what it leads.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
        let until = Instant::now() + START;
        while child.try_wait().expect("it can be waited for").is_none() {
            if Instant::now() > until {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the broker does not stop; see {}", self.dir.display());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// SIGSTOP: it answers nothing, and its connections stay open.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let Some(child) = &self.child else { return };
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// What clients connect to.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Who may come by the guarded port.
const LOGIN: &str = "listener.name.sasl_plaintext.plain.sasl.jaas.config=\
                     org.apache.kafka.common.security.plain.PlainLoginModule";

/// Who has no name may do everything: the broker itself, and the tests.
const AUTHORIZER: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false
";

fn properties(dir: &Path, node: usize, ports: &[Ports]) -> String {
    let Ports { clients, controller, advertised, guarded } = ports[node - 1];
    let guarded = guarded.map_or_else(String::new, |port| format!(",SASL_PLAINTEXT://127.0.0.1:{port}"));
    let voter = |(number, ports): (usize, &Ports)| format!("{number}@127.0.0.1:{}", ports.controller);
    let voters: Vec<String> = (1..).zip(ports).map(voter).collect();
    let replicas = ports.len();
    let in_sync = if replicas < 3 { 1 } else { 2 };
    format!(
        "process.roles=broker,controller
node.id={node}
controller.quorum.voters={}
listeners=PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}{guarded}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}{guarded}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
log.dirs={}
num.partitions=4
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={replicas}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
log.retention.ms=-1
",
        voters.join(","),
        dir.join("data").display()
    )
}

const LOGS: &str = "rootLogger.level=warn
rootLogger.appenderRef.c.ref=c
appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %c - %m%n
";

fn java(jars: &Path, dir: &Path) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-Dlog4j2.configurationFile={}", dir.join("log4j2.properties").display()))
        .arg("-cp")
        .arg(jars.join("*"))
        .current_dir(dir);
    java
}

/// The jars, fetched once by Maven.
fn jars() -> PathBuf {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(fetch).clone()
}

fn fetch() -> PathBuf {
    let jars = target().join("kafka").join("jars");
    let done = jars.join("complete");
    if done.exists() {
        return jars;
    }
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/pom.xml");
    let maven = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-f"])
        .arg(pom)
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .output();
    let maven = maven
        .expect("the real-Kafka tests need Java 17 and Maven: `apt-get install default-jdk-headless maven`");
    assert!(maven.status.success(), "fetching Kafka: {}", String::from_utf8_lossy(&maven.stdout));
    fs::write(done, "").expect("a marker");
    jars
}

/// `target`, wherever it is: two above the test binary's `deps`.
pub(crate) fn target() -> PathBuf {
    let binary = std::env::current_exe().expect("this binary has a path");
    binary.ancestors().nth(3).expect("it lies in target/profile/deps").to_owned()
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
