#include "comm/faults/rendezvous.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/current_error.h"
#include "base/host_name.h"
#include "comm/node.h"
#include "mpi/agreement.h"

namespace trellis {
namespace {

std::string numeric(const sockaddr* address, socklen_t length) {
  char text[NI_MAXHOST] = {};
  return getnameinfo(address, length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0 ? text : "";
}

// The IPv4 address that a name stands for, unless it is this machine's loopback.
std::string resolve_beyond_loopback(const std::string& name) {
  addrinfo hints = {};
  hints.ai_family = AF_INET;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return "";
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  const std::string address = numeric(found->ai_addr, found->ai_addrlen);
  return address.starts_with("127.") ? "" : address;
}

std::string first_interface_address() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(all, freeifaddrs);
  for (const ifaddrs* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET) continue;
    const std::string address = numeric(one->ifa_addr, sizeof(sockaddr_in));
    if (!address.empty() && !address.starts_with("127.")) return address;
  }
  return "";
}

std::string own_address() {
  const std::string host = host_name();
  std::string address = resolve_beyond_loopback(host);
  if (address.empty()) address = first_interface_address();
  return address.empty() ? host : address;
}

// The exception being handled, of c10d, as an error that says what was tried; a want of memory or threads stays what it is.
[[noreturn]] void throw_of_store(const std::string& tried, const std::string& where, const std::string& fix) {
  const Error error = current_error();
  if (error.code() != ExitCode::internal) throw error;
  throw InternalError(tried + ": " + error.fact(), where, fix);
}

}  // namespace

c10::intrusive_ptr<c10d::Store> make_store(const Communicator& communicator, const std::string& address,
                                           std::chrono::milliseconds timeout, int server) {
  const bool one_node = all_on_one_node(communicator);
  c10d::TCPStoreOptions options;
  options.timeout = timeout;
  options.waitWorkers = false;  // the server must return before the others know its port
  c10::intrusive_ptr<c10d::TCPStore> store;
  std::string host;
  agree(communicator, [&] {
    if (communicator.rank() != server) return;
    host = !address.empty() ? address : one_node ? "127.0.0.1" : own_address();
    options.isServer = true;
    options.port = 0;  // any free one
    try {
      store = c10::make_intrusive<c10d::TCPStore>(host, options);
    } catch (...) {
      throw_of_store("the rendezvous store cannot be started", host, "");
    }
  });
  host = communicator.broadcast(host, server);
  const std::int64_t port = communicator.broadcast(store ? std::int64_t{store->getPort()} : std::int64_t{0}, server);
  agree(communicator, [&] {
    if (store) return;
    options.isServer = false;
    options.port = static_cast<std::uint16_t>(port);
    try {
      store = c10::make_intrusive<c10d::TCPStore>(host, options);
    } catch (...) {
      throw_of_store(fmt::format("rank {}'s rendezvous store cannot be reached", server), fmt::format("{}:{}", host, port),
                     "check that the nodes reach each other over TCP at this address");
    }
  });
  return store;
}

}  // namespace trellis
