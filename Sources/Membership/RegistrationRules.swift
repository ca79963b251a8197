import Primitives

/// The rules that turn what a worker sent into a `Registration`.
package struct RegistrationRules: Hashable, Sendable {
    package var directory: MeshDirectory
    package let limits: MembershipLimits

    package init(directory: MeshDirectory, limits: MembershipLimits) {
        self.directory = directory
        self.limits = limits
    }

    /// The registration, or the first rule that the request breaks, in the order of the fields.
    package func checked(_ request: RegistrationRequest) throws(Refusal) -> Registration {
        try checkName(request.workerID, field: "registration.worker_id")
        try checkName(request.service, field: "registration.service")
        let service = ServiceName(request.service)
        guard let defaultLease = directory.services[service] else {
            throw Refusal("registration.service", "the mesh has no service \"\(service)\"")
        }
        try checkText(request.version, field: "registration.version")
        return Registration(
            workerID: WorkerID(request.workerID),
            service: service,
            version: request.version,
            locality: try checkedLocality(request),
            address: try checkedAddress(request),
            capacity: try checkedCapacity(request.capacity),
            lease: try checkedLease(request.lease, default: defaultLease),
            labels: try checkedLabels(request.labels)
        )
    }

    private func checkedLabels(_ labels: [String: String]) throws(Refusal) -> [String: String] {
        let field = "registration.labels"
        guard labels.count <= limits.maximumLabels else {
            throw Refusal(
                field,
                "expected at most \(limits.maximumLabels) labels, came \(labels.count)"
            )
        }
        let bytes = labels.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard bytes <= limits.maximumLabelBytes else {
            throw Refusal(
                field,
                "expected at most \(limits.maximumLabelBytes) bytes of names and values, "
                    + "came \(bytes)"
            )
        }
        // Sorted, so that the same request is always refused for the same label.
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            try checkName(name, field: field)
            guard value.utf8.allSatisfy(Self.isPrintable) else {
                throw Refusal(
                    "\(field)[\"\(name)\"]",
                    "expected printable ASCII without blanks"
                )
            }
        }
        return labels
    }

    private func checkedLocality(_ request: RegistrationRequest) throws(Refusal) -> Locality {
        try checkName(request.region, field: "registration.locality.region")
        let region = RegionName(request.region)
        guard let zones = directory.regions[region] else {
            throw Refusal("registration.locality.region", "the mesh has no region \"\(region)\"")
        }
        let zone = ZoneName(request.zone)
        if !request.zone.isEmpty {
            try checkName(request.zone, field: "registration.locality.zone")
            guard zones.isEmpty || zones.contains(zone) else {
                throw Refusal(
                    "registration.locality.zone",
                    "region \"\(region)\" has no zone \"\(zone)\""
                )
            }
        }
        try checkText(request.subZone, field: "registration.locality.sub_zone")
        return Locality(region: region, zone: zone, subZone: request.subZone)
    }

    private func checkedAddress(_ request: RegistrationRequest) throws(Refusal) -> EndpointAddress {
        let field = "registration.address.host"
        guard let host = IPAddress(request.host) else {
            throw Refusal(field, "expected an IPv4 or IPv6 address without brackets, not a name")
        }
        guard !host.isUnspecified else {
            throw Refusal(
                field,
                "\(host) is every address of a machine; expected one that can be reached"
            )
        }
        guard !host.isMulticastOrBroadcast else {
            throw Refusal(
                field,
                "\(host) is a multicast or broadcast address; expected a unicast one"
            )
        }
        guard let port = UInt16(exactly: request.port), port > 0 else {
            throw Refusal(
                "registration.address.port",
                "expected a port from 1 to 65535, came \(request.port)"
            )
        }
        return EndpointAddress(host: host.description, port: port)
    }

    private func checkedCapacity(_ capacity: UInt32) throws(Refusal) -> Int {
        guard capacity > 0, capacity <= limits.maximumCapacity else {
            throw Refusal(
                "registration.capacity",
                "expected 1 to \(limits.maximumCapacity) requests at once, came \(capacity)"
            )
        }
        return Int(capacity)
    }

    private func checkedLease(
        _ lease: Duration?,
        default standard: Duration
    ) throws(Refusal) -> Duration {
        let range = limits.leaseRange
        guard let lease else {
            return min(max(standard, range.lowerBound), range.upperBound)
        }
        guard range.contains(lease) else {
            throw Refusal(
                "registration.lease",
                "expected \(range.lowerBound) to \(range.upperBound), came \(lease)"
            )
        }
        return lease
    }

    /// A name becomes part of store keys, resource names and log lines, so it has no `/`, blank or control character.
    private func checkName(_ name: String, field: String) throws(Refusal) {
        guard !name.isEmpty else { throw Refusal(field, "must not be empty") }
        guard name.utf8.count <= limits.maximumNameBytes else {
            throw Refusal(field, "longer than \(limits.maximumNameBytes) bytes")
        }
        guard name.utf8.allSatisfy({ Self.isPrintable($0) && $0 != UInt8(ascii: "/") }) else {
            throw Refusal(field, "expected printable ASCII without blanks and \"/\"")
        }
    }

    private func checkText(_ text: String, field: String) throws(Refusal) {
        guard text.utf8.count <= limits.maximumTextBytes else {
            throw Refusal(field, "longer than \(limits.maximumTextBytes) bytes")
        }
        guard text.utf8.allSatisfy(Self.isPrintable) else {
            throw Refusal(field, "expected printable ASCII without blanks")
        }
    }

    private static func isPrintable(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte)
    }
}
