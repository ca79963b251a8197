package import MeridianAPI

/// Where each proxy stands with its configuration, as `meridian get proxies` shows it.
extension TextTable {
    /// One row for each proxy, by region and name, and below it what the proxy refused.
    ///
    /// A proxy that has streams of their own for some types has one row nevertheless.
    ///
    /// - Parameter isWide: with the version of each type, the client's name and the control plane's process.
    package init(proxies: [Meridian_V1_Proxy], isWide: Bool = false) {
        let rows = Dictionary(grouping: proxies, by: \.nodeID).values
            .map { ProxyRow(streams: $0) }
            .sorted { ($0.region, $0.nodeID) < ($1.region, $1.nodeID) }
        let usual = ["CDS", "EDS", "LDS", "RDS"]
        let others = Set(rows.flatMap { $0.types.keys }).subtracting(usual).sorted()
        let shown = usual + others
        var columns: [Column] = ["NODE", "REGION", "ZONE", "PROTOCOL"].map { .text($0) }
        columns += shown.map { .text($0) }
        if isWide { columns += [.text("CLIENT"), .text("REPLICA")] }
        columns.append(.number("AGE"))
        self.init(columns)
        for row in rows {
            var cells = [row.nodeID, row.region, row.zone, row.protocols]
            cells += shown.map { row.cell(of: $0, isWide: isWide) }
            if isWide { cells += [row.clients, row.replicas] }
            cells.append(ageText(milliseconds: row.connectedMilliseconds))
            add(cells, notes: shown.flatMap { row.refusals(of: $0) })
        }
    }

    /// One row for each resource of one proxy, by type and name, and below it what the proxy said of it.
    package init(resourcesOf proxies: [Meridian_V1_Proxy]) {
        self.init([.text("TYPE"), .text("NAME"), .text("STATE"), .text("VERSION")])
        let resources = proxies.flatMap(\.resources).map { (shortName(ofType: $0.typeURL), $0) }
            .sorted { ($0.0, $0.1.name) < ($1.0, $1.1.name) }
        for (type, resource) in resources {
            var notes: [String] = []
            if resource.hasRefused {
                let refused = resource.refused
                let version = refused.version.isEmpty ? "its removal" : refused.version
                let suspicion = refused.isNamed ? "" : ", or another resource of the same response"
                notes = ["refused \(version)\(suspicion)\(refused.source)"]
                notes += refused.error.split(separator: "\n").map(String.init)
            }
            add([type, resource.name, resource.state, resource.version], notes: notes)
        }
    }
}

/// The streams of one proxy.
private struct ProxyRow {
    let nodeID: String
    let region: String
    let zone: String
    let protocols: String
    let clients: String
    let replicas: String
    let connectedMilliseconds: UInt64
    /// By short name.
    let types: [String: [Meridian_V1_TypeStatus]]

    init(streams: [Meridian_V1_Proxy]) {
        func joined(_ text: (Meridian_V1_Proxy) -> String) -> String {
            Set(streams.map(text)).filter { !$0.isEmpty }.sorted().joined(separator: ",")
        }
        nodeID = joined(\.nodeID)
        region = joined(\.locality.region)
        zone = joined(\.locality.zone)
        protocols = joined(\.protocol)
        clients = joined(\.userAgent)
        replicas = joined(\.replica)
        connectedMilliseconds = streams.map(\.connectedMilliseconds).max() ?? 0
        types = Dictionary(grouping: streams.flatMap(\.types)) { shortName(ofType: $0.typeURL) }
    }

    /// `SYNCED (3)`: the worst state of the type's streams, and the resources of all of them.
    func cell(of type: String, isWide: Bool) -> String {
        guard let streams = types[type], let worst = streams.max(by: { $0.rank < $1.rank }) else {
            return ""
        }
        let count = streams.reduce(0) { $0 + Int($1.resources) }
        var cell = "\(worst.state) (\(count))"
        if streams.contains(where: \.overdue) { cell += " overdue" }
        if isWide, !worst.acceptedVersion.isEmpty { cell += " \(worst.acceptedVersion.prefix(12))" }
        return cell
    }

    /// One line for each text: which resources it is about, what they are made from, and its first line.
    func refusals(of type: String) -> [String] {
        let refused = (types[type] ?? []).flatMap(\.refused)
        let byText = Dictionary(grouping: refused) { "\($0.isNamed ? 0 : 1)\($0.error)" }
        return byText.sorted { $0.key < $1.key }.compactMap { _, resources in
            guard let first = resources.first else { return nil }
            let names = resources.map(\.name).sorted()
            let shown = names.prefix(3).joined(separator: ", ")
            let more = names.count > 3 ? " and \(names.count - 3) more" : ""
            let which = first.isNamed || names.count == 1 ? "" : "one of "
            let text = first.error.split(separator: "\n").first.map(String.init) ?? ""
            return "\(type) NACKED \(which)\(shown)\(more)\(resources.source): \(text)"
        }
    }
}

extension Meridian_V1_TypeStatus {
    /// How bad it is; a state of a later version is the worst, so that it shows.
    fileprivate var rank: Int {
        ["SYNCED", "STALE", "NOT_SENT", "NACKED"].firstIndex(of: state) ?? 4
    }
}

extension [Meridian_V1_RefusedResource] {
    /// ` (from service reports, revision 12)`; empty when the origin isn't known.
    fileprivate var source: String {
        let objects = Set(flatMap(\.objects)).sorted()
        guard let revision = map(\.revision).max(), !objects.isEmpty else { return "" }
        let more = objects.count > 3 ? " and \(objects.count - 3) more" : ""
        return " (from \(objects.prefix(3).joined(separator: ", "))\(more), revision \(revision))"
    }
}

extension Meridian_V1_RefusedResource {
    fileprivate var source: String { [self].source }
}

/// The name that operators say, such as `CDS`; of other types the message's own name.
private func shortName(ofType typeURL: String) -> String {
    let name = typeURL.split(separator: "/").last.map(String.init) ?? ""
    return switch name {
    case "envoy.config.cluster.v3.Cluster": "CDS"
    case "envoy.config.endpoint.v3.ClusterLoadAssignment": "EDS"
    case "envoy.config.listener.v3.Listener": "LDS"
    case "envoy.config.route.v3.RouteConfiguration": "RDS"
    case "envoy.config.route.v3.ScopedRouteConfiguration": "SRDS"
    case "envoy.config.route.v3.VirtualHost": "VHDS"
    case "envoy.config.core.v3.TypedExtensionConfig": "ECDS"
    case "envoy.extensions.transport_sockets.tls.v3.Secret": "SDS"
    case "envoy.service.runtime.v3.Runtime": "RTDS"
    default: name.split(separator: ".").last.map(String.init) ?? name
    }
}
