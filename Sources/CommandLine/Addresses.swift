import ArgumentParser
package import Primitives

/// Addresses as the programs take them on the command line.
extension EndpointAddress: ExpressibleByArgument {
    package init?(argument: String) {
        self.init(argument)
    }
}

/// An address to listen on: port 0 stands for a free one.
package struct ListenAddress: ExpressibleByArgument, Sendable {
    package let address: EndpointAddress

    package init(address: EndpointAddress) {
        self.address = address
    }

    package init?(argument: String) {
        if let address = EndpointAddress(argument) {
            self.address = address
        } else if argument.hasSuffix(":0"), let address = EndpointAddress(argument.dropLast() + "1")
        {
            self.address = EndpointAddress(host: address.host, port: 0)
        } else {
            return nil
        }
    }

    package var defaultValueDescription: String { address.description }
}
