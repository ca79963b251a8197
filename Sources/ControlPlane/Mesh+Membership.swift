import Membership
import Mesh
import Primitives

/// What the mesh says of its workers' lives, as the registry has it.
extension Mesh {
    var massExpiryRules: [ServiceName: MassExpiryRule] {
        Dictionary(
            uniqueKeysWithValues: services.map { service in
                let rule = service.massExpiry
                return (service.name, MassExpiryRule(percent: rule.percent, workers: rule.workers))
            }
        )
    }

    var probePolicies: [ServiceName: ProbePolicy] {
        Dictionary(
            uniqueKeysWithValues: services.compactMap { service in
                service.healthProbe.map { probe in
                    let policy = ProbePolicy(
                        interval: probe.interval,
                        timeout: probe.timeout,
                        failures: probe.failures,
                        successes: probe.successes
                    )
                    return (service.name, policy)
                }
            }
        )
    }
}
