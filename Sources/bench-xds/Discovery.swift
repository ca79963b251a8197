/// The types that a sidecar asks for, in the order in which it comes to them.
enum ResourceType: Int, CaseIterable {
    case cluster
    case endpoints
    case listener
    case route

    var url: String {
        switch self {
        case .cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster"
        case .endpoints: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
        case .listener: "type.googleapis.com/envoy.config.listener.v3.Listener"
        case .route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
        }
    }

    /// As people and rows call it.
    var shortName: String {
        switch self {
        case .cluster: "CDS"
        case .endpoints: "EDS"
        case .listener: "LDS"
        case .route: "RDS"
        }
    }

    init?(url: UnsafeRawBufferPointer) {
        // The four differ in length.
        guard let type = Self.allCases.first(where: { $0.url.utf8.count == url.count }),
            type.url.utf8.elementsEqual(url)
        else { return nil }
        self = type
    }
}

/// The two forms of the protocol.
enum Variant: String {
    case delta
    case sotw

    var path: String {
        let service = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
        return switch self {
        case .delta: service + "DeltaAggregatedResources"
        case .sotw: service + "StreamAggregatedResources"
        }
    }
}

/// What the load needs of a response.
struct ScannedResponse {
    struct Resource {
        let name: Int32
        /// In delta the version's number in the table; otherwise a hash of the content.
        let version: Int32
        let content: UnsafeRawBufferPointer
    }

    let type: ResourceType
    let nonce: UnsafeRawBufferPointer
    /// Of the state of the world.
    let version: UnsafeRawBufferPointer
    var resources: [Resource]
    var removed: [Int32]
}

/// Finds names, versions and the nonce in responses, and decodes nothing else.
struct ResponseScanner {
    var names = TextTable()
    var versions = TextTable()

    private static var nothing: UnsafeRawBufferPointer { .init(start: nil, count: 0) }

    /// Nil when the bytes are no response of a type that was asked for.
    mutating func scan(_ message: UnsafeRawBufferPointer, _ variant: Variant) -> ScannedResponse? {
        var type: ResourceType?
        var nonce = Self.nothing
        var version = Self.nothing
        var resources: [ScannedResponse.Resource] = []
        var removed: [Int32] = []
        for field in FieldScanner(message) {
            switch (field.number, variant) {
            case (1, _): version = field.bytes
            case (2, .delta): resources.append(deltaResource(field.bytes))
            case (2, .sotw): resources.append(sotwResource(field.bytes))
            case (4, _): type = ResourceType(url: field.bytes)
            case (5, _): nonce = field.bytes
            case (6, .delta): removed.append(names.number(of: field.bytes))
            default: break
            }
        }
        guard let type else { return nil }
        return ScannedResponse(
            type: type,
            nonce: nonce,
            version: version,
            resources: resources,
            removed: removed
        )
    }

    private mutating func deltaResource(
        _ bytes: UnsafeRawBufferPointer
    ) -> ScannedResponse.Resource {
        var name = Self.nothing
        var version = Self.nothing
        var content = Self.nothing
        for field in FieldScanner(bytes) {
            switch field.number {
            case 1: version = field.bytes
            case 2: content = Self.value(ofAny: field.bytes)
            case 3: name = field.bytes
            default: break
            }
        }
        return ScannedResponse.Resource(
            name: names.number(of: name),
            version: versions.number(of: version),
            content: content
        )
    }

    private mutating func sotwResource(_ any: UnsafeRawBufferPointer) -> ScannedResponse.Resource {
        let content = Self.value(ofAny: any)
        // Each of the four types has its name in field 1.
        let name = FieldScanner(content).first { $0.number == 1 }?.bytes ?? Self.nothing
        let hash = ContentHash.of(content)
        return ScannedResponse.Resource(
            name: names.number(of: name),
            version: Int32(truncatingIfNeeded: hash & 0x7fff_ffff),
            content: content
        )
    }

    private static func value(ofAny any: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        FieldScanner(any).first { $0.number == 2 }?.bytes ?? nothing
    }
}
