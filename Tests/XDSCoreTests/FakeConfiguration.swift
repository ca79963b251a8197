import Primitives
import XDSCore

/// Makes consistent snapshots: each cluster has endpoints, each listener its route, and routes lead to
/// clusters that exist.
struct FakeConfiguration {
    private var random: SeededRandom
    private var counter = 0
    private var clusters: [ResourceName: Int] = [:]
    private var endpoints: [ResourceName: Int] = [:]
    private var listeners: [ResourceName: Int] = [:]
    private var routes: [ResourceName: (version: Int, clusters: [ResourceName])] = [:]

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        mutate()
    }

    /// Changes a few things; versions only grow.
    mutating func mutate() {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            counter += 1
            let name = ResourceName("c\(Int.random(in: 0..<5, using: &random))")
            switch Int.random(in: 0..<7, using: &random) {
            case 0, 1: clusters[name] = counter
            case 2: clusters[name] = nil
            case 3, 4: endpoints[name] = counter
            case 5: toggleListener()
            default:
                for route in routes.keys.sorted() { routes[route] = (counter, someClusters()) }
            }
        }
        if clusters.isEmpty { clusters["c0"] = counter }
        for name in clusters.keys.sorted() where endpoints[name] == nil {
            endpoints[name] = counter
        }
        for name in endpoints.keys where clusters[name] == nil { endpoints[name] = nil }
        for name in routes.keys.sorted() {
            let isBroken = routes[name]?.clusters.contains { clusters[$0] == nil } ?? false
            if isBroken { routes[name] = (counter, someClusters()) }
        }
    }

    var resources: [EncodedResource] {
        var result = [EncodedResource]()
        for (name, version) in clusters {
            result.append(sample("cds \(name) \(version)"))
        }
        for (name, version) in endpoints {
            result.append(sample("eds \(name) \(version)"))
        }
        for (name, version) in listeners {
            result.append(sample("lds \(name) \(version)"))
        }
        for (name, route) in routes {
            result.append(
                EncodedResource(
                    typeURL: .routeConfiguration,
                    name: name,
                    version: Version("\(route.version)"),
                    bytes: Array(route.clusters.map(\.rawValue).joined(separator: ",").utf8)
                )
            )
        }
        return result
    }

    /// The clusters that a route of `resources` leads to.
    static func clusters(of route: EncodedResource) -> [ResourceName] {
        String(decoding: route.bytes, as: UTF8.self).split(separator: ",").map {
            ResourceName(String($0))
        }
    }

    private mutating func toggleListener() {
        let name = ResourceName("l\(Int.random(in: 0..<2, using: &random))")
        if listeners[name] == nil {
            listeners[name] = counter
            routes[name] = (counter, someClusters())
        } else {
            listeners[name] = nil
            routes[name] = nil
        }
    }

    private mutating func someClusters() -> [ResourceName] {
        let all = clusters.keys.sorted()
        let chosen = all.filter { _ in Bool.random(using: &random) }
        return chosen.isEmpty ? Array(all.prefix(1)) : chosen
    }
}
