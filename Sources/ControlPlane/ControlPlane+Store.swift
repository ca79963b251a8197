import EtcdStore
import Foundation
import Logging
import NIOPosix
import ServiceLifecycle
import Store

// Which store a control plane works on.
extension ControlPlane {
    func sharedStore(_ url: String) throws -> EtcdStore {
        do {
            return EtcdStore(
                try EtcdConfiguration(url: url),
                eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
                logger: logger
            )
        } catch {
            throw ControlPlaneStartError(description: error.message)
        }
    }

    func embeddedStore() async throws -> SQLiteStore {
        do {
            try FileManager.default.createDirectory(
                atPath: configuration.dataDirectory,
                withIntermediateDirectories: true
            )
        } catch {
            throw ControlPlaneStartError(
                description:
                    "cannot make the data directory \(configuration.dataDirectory): \(error)"
            )
        }
        let path = configuration.dataDirectory + "/meridian.db"
        do {
            return try await SQLiteStore.open(SQLiteStore.Configuration(path: path))
        } catch {
            throw ControlPlaneStartError(
                description: error.code == .inUse
                    ? "can't open the store \(path): another process uses it" : error.message
            )
        }
    }
}

/// Keeps a shared store's history from growing without end, while the control plane serves.
struct HistoryUpkeep<Storage: Store>: ServiceLifecycle.Service {
    let store: Storage
    let logger: Logger

    func run() async {
        await cancelWhenGracefulShutdown {
            await HistoryCompactor(store: store) { error in
                logger.warning("the history can't be compacted", metadata: ["error": "\(error)"])
            }
            .run()
        }
    }
}
