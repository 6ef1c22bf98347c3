# SPDX-License-Identifier: MIT OR Apache-2.0
# python3's sockets: a server with a selector, clients in threads, a transfer from the host, names of the machine.
import hashlib, selectors, socket, sys, threading

PORT, SILENT = int(sys.argv[1]), int(sys.argv[2])


def serve(listener, count):
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while count:
        for key, _ in selector.select(timeout=60):
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ)
                continue
            data = key.fileobj.recv(1000)
            if data:
                key.fileobj.sendall(data.upper())
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()
                count -= 1


def ask(family, address, number):
    with socket.socket(family) as client:
        client.settimeout(60)
        client.connect(address)
        for turn in range(10):
            text = f"client {number} turn {turn}".encode()
            client.sendall(text)
            assert client.recv(1000, socket.MSG_WAITALL if len(text) == 1000 else 0) == text.upper()


for family, name in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    listener = socket.create_server((name, 0), family=family, backlog=20)
    server = threading.Thread(target=serve, args=(listener, 8))
    server.start()
    clients = [threading.Thread(target=ask, args=(family, listener.getsockname(), n)) for n in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    server.join()

assert socket.getaddrinfo("127.0.0.1", 80, flags=socket.AI_ADDRCONFIG | socket.AI_NUMERICHOST)
assert socket.if_nametoindex("eth0") == dict((name, n) for n, name in socket.if_nameindex())["eth0"]
assert [name for _, name in socket.if_nameindex()][:2] == ["lo", "eth0"], socket.if_nameindex()

# More frames than the NIC's queue takes, to somebody who does not answer: it has to be emptied all the same.
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
    mute.settimeout(10)
    for number in range(1000):
        mute.sendto(bytes(1400), ("10.0.2.2", SILENT))

with socket.create_connection(("10.0.2.2", PORT), timeout=100) as client:
    client.sendall(b"GET /5000000 HTTP/1.0\r\n\r\n")
    with client.makefile("rb") as file:
        while file.readline().strip():
            pass
        print("fetched", hashlib.sha256(file.read()).hexdigest())
print("python done")
