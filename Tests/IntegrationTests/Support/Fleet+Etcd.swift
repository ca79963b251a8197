import Primitives

extension Fleet {
    struct Etcd {
        let process: ChildProcess
        let client: EndpointAddress

        var url: String { "etcd://\(client)" }
    }

    /// Starts an etcd of one member.
    func startEtcd() throws -> Etcd {
        let client = try Ports.next()
        let peer = try Ports.next()
        let process = try start(
            "etcd",
            try Programs.etcd(),
            [
                "--name", "m", "--data-dir", "\(directory)/etcd",
                "--listen-client-urls", "http://\(client)",
                "--advertise-client-urls", "http://\(client)",
                "--listen-peer-urls", "http://\(peer)",
                "--initial-advertise-peer-urls", "http://\(peer)",
                "--initial-cluster", "m=http://\(peer)",
            ]
        )
        return Etcd(process: process, client: client)
    }
}
