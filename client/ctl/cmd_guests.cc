// `entropyctl guests`, `guests add` and `guests remove`.
#include "absl/strings/str_cat.h"
#include "base/text/quoting.h"
#include "client/agent_admin_client.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/guest_boot/qemu_reconnect.h"
#include "client/show/json_text.h"
#include "client/show/message_json.h"
#include "client/show/output.h"
#include "client/show/tables.h"

namespace entropyd {
namespace {

// The arguments for QEMU. Without `reconnect`, QEMU never connects again after a lost connection.
std::string QemuArguments(const config::v1::GuestSocket& socket, const std::string& reconnect) {
  const std::string device =
      absl::StrCat("socket,id=entropyd0,path=", QemuValue(socket.path()), ",", reconnect);
  return absl::StrCat("-chardev ", ShellWord(device),
                      " -object rng-egd,id=entropyd-rng0,chardev=entropyd0 "
                      "-device virtio-rng-pci,rng=entropyd-rng0");
}

}  // namespace

int RunGuests(const ClientFlags& flags, bool json) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  const auto answer = DialAgent(config->control())->ListGuests();
  if (!answer.ok()) return FailAgent(answer.status(), config->control());
  json ? PrintJson(JsonOf(*answer)) : Print(GuestsTable(*answer, ScreenColumns()));
  return kExitOk;
}

int RunGuestsAdd(const ClientFlags& flags, const std::string& pool_class,
                 const GuestSocketOptions& options, bool json) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  v1::AddGuestRequest request;
  request.mutable_socket()->set_name(options.name);
  request.mutable_socket()->set_class_(pool_class);
  request.mutable_socket()->set_path(options.path);
  request.mutable_socket()->set_mode(options.mode);
  request.mutable_socket()->set_group(options.group);
  const auto answer = DialAgent(config->control())->AddGuest(request);
  if (!answer.ok()) return FailAgent(answer.status(), config->control());
  const config::v1::GuestSocket& socket = answer->socket();
  const QemuReconnect reconnect = ReconnectOfInstalledQemu();
  const std::string arguments = QemuArguments(socket, reconnect.option);
  if (json) {
    JsonObject out;
    out.SetRaw("socket", JsonOf(socket)).Set("qemu", arguments).Set("qemu_note", reconnect.note);
    PrintJson(out.ToString());
  } else {
    Print(absl::StrCat(OneLine(absl::StrCat(socket.path(), " serves guest ", socket.name(),
                                            " from ", socket.class_())),
                       ". Start QEMU with:\n  ", OneLine(arguments), "\n(", reconnect.note, ")\n"));
  }
  return kExitOk;
}

int RunGuestsRemove(const ClientFlags& flags, const std::string& name, bool json) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  v1::RemoveGuestRequest request;
  request.set_name(name);
  const auto answer = DialAgent(config->control())->RemoveGuest(request);
  if (!answer.ok()) return FailAgent(answer.status(), config->control());
  json ? PrintJson(JsonOf(*answer))
       : Print(absl::StrCat(OneLine(answer->socket().path()), " is closed\n"));
  return kExitOk;
}

}  // namespace entropyd
