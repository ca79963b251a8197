import Membership
import MeridianAPI
import Primitives
import Store
import SwiftProtobuf

/// How registrations are kept in the store: one `meridian.v1.Worker` for each worker, and the
/// highest epoch.
enum RegistrationRecords {
    static let prefix: StoreKey = "/meridian/workers/"
    static let highestEpochKey: StoreKey = "/meridian/epoch"

    static func key(_ worker: WorkerID) -> StoreKey { "/meridian/workers/\(worker.rawValue)" }

    static func encode(_ stored: StoredRegistration) throws -> [UInt8] {
        var record = Meridian_V1_Worker()
        record.registration = Meridian_V1_Registration(stored.registration)
        record.epoch = stored.epoch.rawValue
        record.state = stored.health.wireName
        // Equal registrations are equal bytes: labels are a map, which has no order of its own.
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        return try record.serializedBytes(options: options)
    }

    /// Nil when the bytes are no record: one bad row must not keep all others from coming back.
    static func decode(_ bytes: [UInt8]) -> StoredRegistration? {
        guard let record = try? Meridian_V1_Worker(serializedBytes: bytes),
            let health = MemberHealth(wireName: record.state),
            let port = UInt16(exactly: record.registration.address.port)
        else { return nil }
        let wire = record.registration
        return StoredRegistration(
            registration: Registration(
                workerID: WorkerID(wire.workerID),
                service: ServiceName(wire.service),
                version: wire.version,
                locality: Locality(
                    region: RegionName(wire.locality.region),
                    zone: ZoneName(wire.locality.zone),
                    subZone: wire.locality.subZone
                ),
                address: EndpointAddress(host: wire.address.host, port: port),
                capacity: Int(wire.capacity),
                lease: Duration(wire.lease),
                labels: wire.labels
            ),
            epoch: Epoch(record.epoch),
            health: health
        )
    }

    static func encode(_ epoch: Epoch) -> [UInt8] {
        Array(epoch.description.utf8)
    }

    static func decodeEpoch(_ bytes: [UInt8]) -> Epoch? {
        UInt64(String(decoding: bytes, as: UTF8.self)).map { Epoch($0) }
    }
}
