import EnvoyAPI
import Foundation
import SwiftProtobuf
import XDSCore

extension Envoy_Service_Discovery_V3_DeltaDiscoveryResponse {
    init(_ push: Push) {
        self.init()
        typeURL = push.typeURL.rawValue
        nonce = push.nonce.text
        systemVersionInfo = push.version.rawValue
        resources = push.resources.map { .init($0, isHeartbeat: push.isHeartbeat) }
        for name in push.unresolvedNames {
            resources.append(
                .with {
                    $0.name = name.rawValue
                    $0.aliases = [name.rawValue]
                }
            )
        }
        removedResources = push.removedNames.map(\.rawValue)
        resourceErrors = push.absences.map { .init($0.name, $0.reason) }
    }
}

extension Envoy_Service_Discovery_V3_DiscoveryResponse {
    init(_ push: Push) throws {
        self.init()
        typeURL = push.typeURL.rawValue
        nonce = push.nonce.text
        versionInfo = push.statedVersion.rawValue
        for resource in push.resources {
            // Only where there is a need: not every client that understands it does so for all
            // types.
            if push.wrapsResources, resource.timeToLive != nil {
                resources.append(
                    try Google_Protobuf_Any(
                        message: Envoy_Service_Discovery_V3_Resource(
                            resource,
                            isHeartbeat: push.isHeartbeat
                        )
                    )
                )
            } else {
                resources.append(Google_Protobuf_Any(resource))
            }
        }
        for name in push.emptiedNames {
            resources.append(
                try Google_Protobuf_Any(
                    message: Envoy_Config_Endpoint_V3_ClusterLoadAssignment.with {
                        $0.clusterName = name.rawValue
                    }
                )
            )
        }
        resourceErrors = push.absences.map { .init($0.name, $0.reason) }
    }
}

extension Push {
    /// What `version_info` says: the version that an operator gave to all of these resources, if
    /// they did.
    ///
    /// Said and never compared with: a client that comes back with it is sent everything again.
    fileprivate var statedVersion: XDSCore.Version {
        guard let first = resources.first?.version, !first.isHash,
            resources.allSatisfy({ $0.version == first })
        else { return version }
        return first
    }
}

extension Envoy_Service_Discovery_V3_Resource {
    fileprivate init(_ resource: EncodedResource, isHeartbeat: Bool) {
        self.init()
        name = resource.name.rawValue
        version = resource.version.rawValue
        if !isHeartbeat { self.resource = Google_Protobuf_Any(resource) }
        if let timeToLive = resource.timeToLive {
            ttl = Google_Protobuf_Duration(rounding: timeToLive)
        }
    }
}

extension Google_Protobuf_Any {
    init(_ resource: EncodedResource) {
        self.init()
        typeURL = resource.typeURL.rawValue
        value = Data(resource.bytes)
    }
}

extension Envoy_Service_Discovery_V3_ResourceError {
    fileprivate init(_ name: ResourceName, _ reason: Push.Absence) {
        self.init()
        resourceName = .with { $0.name = name.rawValue }
        errorDetail = .with {
            switch reason {
            case .notFound:
                $0.code = 5  // NOT_FOUND
                $0.message = "there is no resource with this name"
            case .notAllowed:
                $0.code = 7  // PERMISSION_DENIED
                $0.message = "the resource is not for this node"
            }
        }
    }
}
