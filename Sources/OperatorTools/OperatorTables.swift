package import MeridianAPI

/// What `meridian get` shows to people.
extension TextTable {
    /// One row for each worker, by service, region and name.
    package init(workers: [Meridian_V1_Worker]) {
        self.init([
            .text("WORKER"), .text("SERVICE"), .text("REGION"), .text("ZONE"), .text("ADDRESS"),
            .text("STATE"), .text("REPORTED"), .text("PROBE"), .number("EJECTED"),
            .number("IN-FLIGHT"), .number("REQUESTS"), .number("ERRORS"),
            .number("LEASE"),
        ])
        let sorted = workers.sorted { sortKey($0) < sortKey($1) }
        for worker in sorted {
            let registration = worker.registration
            add([
                registration.workerID, registration.service, registration.locality.region,
                registration.locality.zone, addressText(registration.address), worker.state,
                worker.reportedState, worker.probeState, ejectionText(worker),
                "\(worker.load.inFlight)/\(registration.capacity)", "\(worker.load.requests)",
                "\(worker.load.errors)",
                remainingText(milliseconds: worker.leaseRemainingMilliseconds),
            ])
        }
    }

    /// One row for each proxy, by region and name, and below it what the proxy refused.
    package init(proxies: [Meridian_V1_Proxy]) {
        let shown = [
            ("CDS", "envoy.config.cluster.v3.Cluster"),
            ("EDS", "envoy.config.endpoint.v3.ClusterLoadAssignment"),
            ("LDS", "envoy.config.listener.v3.Listener"),
            ("RDS", "envoy.config.route.v3.RouteConfiguration"),
        ]
        self.init(
            [.text("NODE"), .text("REGION"), .text("PROTOCOL")] + shown.map { .text($0.0) }
                + [.number("AGE")]
        )
        let sorted = proxies.sorted {
            ($0.locality.region, $0.nodeID) < ($1.locality.region, $1.nodeID)
        }
        for proxy in sorted {
            let states = shown.map { _, typeName in
                proxy.types.first { lastPart($0.typeURL) == typeName }?.state ?? ""
            }
            let refusals = proxy.types.filter { !$0.error.isEmpty }.map { type in
                let name = lastPart(type.typeURL)
                let short = shown.first { $0.1 == name }?.0 ?? name
                return "\(short) \(type.state): \(type.error)"
            }
            add(
                [proxy.nodeID, proxy.locality.region, proxy.`protocol`] + states
                    + [ageText(milliseconds: proxy.connectedMilliseconds)],
                notes: refusals
            )
        }
    }

    /// One row for each object that proxies refuse, as the control plane orders them, and below it what
    /// they said.
    package init(refusals: [Meridian_V1_Refusal]) {
        self.init([
            .text("OBJECT"), .text("REVISION"), .text("RESOURCE"), .text("STATE"), .text("SERVED"),
            .number("PROXIES"),
        ])
        for refusal in refusals {
            let served = refusal.leftOut ? "nothing" : "revision \(refusal.servedRevision)"
            let others = Int(refusal.nodeCount) - refusal.nodeIds.count
            let nodes =
                refusal.nodeIds.joined(separator: ", ") + (others > 0 ? " and \(others) more" : "")
            let error = refusal.error.isEmpty ? [] : ["error: \(refusal.error)"]
            add(
                [
                    refusal.object, refusal.object.isEmpty ? "" : "\(refusal.revision)",
                    "\(lastPart(refusal.typeURL).split(separator: ".").last ?? "") \(refusal.resource)",
                    refusal.state, refusal.object.isEmpty ? "" : served, "\(refusal.nodeCount)",
                ],
                notes: ["proxies: \(nodes)"] + error
            )
        }
    }

    /// One row for each counter, by name.
    package init(counters: [String: UInt64]) {
        self.init([.text("COUNTER"), .number("VALUE")])
        for (name, value) in counters.sorted(by: { $0.key < $1.key }) {
            add([name, "\(value)"])
        }
    }

    /// One row for each report, by name; parameters that may be left out stand in brackets.
    package init(reports: [Meridian_V1_ReportDescription]) {
        self.init([.text("REPORT"), .text("PARAMETERS"), .text("TITLE")])
        for report in reports.sorted(by: { $0.name < $1.name }) {
            let parameters = report.parameters.map { parameter in
                let text = "\(parameter.name)=\(parameter.type.uppercased())"
                return parameter.required ? text : "[\(text)]"
            }
            add([report.name, parameters.joined(separator: " "), report.title])
        }
    }
}

private func sortKey(_ worker: Meridian_V1_Worker) -> (String, String, String) {
    let registration = worker.registration
    return (registration.service, registration.locality.region, registration.workerID)
}

/// How many of the sidecars that see a worker have ejected it.
private func ejectionText(_ worker: Meridian_V1_Worker) -> String {
    worker.seenBy == 0 ? "" : "\(worker.ejectedBy)/\(worker.seenBy)"
}

private func addressText(_ address: Meridian_V1_Address) -> String {
    let host = address.host.contains(":") ? "[\(address.host)]" : address.host
    return "\(host):\(address.port)"
}

/// The message name at the end of a type URL.
private func lastPart(_ typeURL: String) -> String {
    typeURL.split(separator: "/").last.map(String.init) ?? ""
}
