// Driver `pkcs11`: the generator of a security module's token, by C_GenerateRandom of a PKCS#11
// `module:` (a shared library) on the token whose label is `token:`. No login: the token must say
// that it has a generator (CKF_RNG), and random bytes are free to all.
//
// A session that is lost, a token or device that is removed and a module that another part of the
// process (or a fork) has finalised are replug cases: Read() says so, and Open() starts from the
// beginning. The module is never finalised and never unloaded here: another source may use it, and
// modules are known to leave threads behind.
//
// SoftHSM gets from this host's kernel: group `host`, no credit. It is told by its module's name
// when the configuration is read, and by its manufacturer when the token is opened.
//
// A module may hang in any call: Create() puts the driver behind a GuardedDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>
#include <string>

#include "server/driver/registry.h"

namespace entropyd {

class Pkcs11Driver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // `believed`: the operator or Claims() has seen to it that a software token counts for no more
  // than it is worth; otherwise Open() refuses one.
  Pkcs11Driver(std::string module, std::string token, bool believed);
  ~Pkcs11Driver() override;

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override;

 private:
  // The function table and the session, in the types of the PKCS#11 header.
  struct Module;

  absl::Status Load();

  const std::string module_;
  const std::string token_;
  const bool believed_;
  // The token's, by its serial number.
  std::string root_;
  std::unique_ptr<Module> loaded_;
};

}  // namespace entropyd
