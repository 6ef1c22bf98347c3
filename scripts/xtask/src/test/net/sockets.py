# SPDX-License-Identifier: MIT OR Apache-2.0
# python3's sockets: a server with a selector, clients in threads, a transfer from the host, names of the machine.
import hashlib, selectors, socket, subprocess, sys, threading

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
assert ("127.0.0.1", 80) in [found[4] for found in socket.getaddrinfo("localhost", "http", socket.AF_INET)]
assert socket.getservbyport(53, "udp") == "domain" and socket.getprotobyname("tcp") == socket.IPPROTO_TCP
assert socket.if_nametoindex("eth0") == dict((name, n) for n, name in socket.if_nameindex())["eth0"]
assert [name for _, name in socket.if_nameindex()][:2] == ["lo", "eth0"], socket.if_nameindex()



def answer_names(server):
    """Answers each question about IPv4 with 192.0.2.7, and others with nothing."""
    while True:
        question, client = server.recvfrom(512)
        is_ipv4 = question[question.index(0, 12) + 1 :][:4] == b"\0\1\0\1"
        head = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_ipv4 else b"\0\0") + b"\0\0\0\0"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x07" if is_ipv4 else b""
        end = question.index(0, 12) + 5
        server.sendto(head + question[12:end] + record, client)


# Names by DNS, as the C library asks: init has mounted what DHCP told over the image's own file.
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
threading.Thread(target=answer_names, args=(names,), daemon=True).start()
subprocess.run(["umount", "/etc/resolv.conf"], check=True)
with open("/etc/resolv.conf", "w") as file:
    file.write("nameserver 127.0.0.1\n")
assert socket.gethostbyname("name.example") == "192.0.2.7"
found = socket.getaddrinfo("name.example", 80, type=socket.SOCK_STREAM)
assert [address for *_, address in found] == [("192.0.2.7", 80)], found

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
