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
                    "\(refusal.typeURL.split(separator: ".").last ?? "") \(refusal.resource)",
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

/// `HOST:PORT`, as it is written on command lines.
func addressText(_ address: Meridian_V1_Address) -> String {
    let host = address.host.contains(":") ? "[\(address.host)]" : address.host
    return "\(host):\(address.port)"
}
