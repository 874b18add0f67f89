// A handover of version 0.1.0, recorded on the wire between two of its agents
// (tests/vectors/handover-0.1.0): this version takes what that one gave, loses nothing of it, and
// gives it to a successor that speaks as that one did.
//
// Only the frames are fixed. Whatever the code inside is called, a host that runs the previous
// version must be able to come to this one.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "hostagent/handover/giver.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/protocol.h"
#include "hostagent/handover/taker.h"
#include "tests/hostagent/handover/soon.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using google::protobuf::util::MessageDifferencer;
using handover::v1::Message;
using testing::IsEmpty;

// Where the recorded agent's sockets were.
constexpr char kRecordedDirectory[] = "/tmp/entropyd-record.S75mcx";
constexpr size_t kHeaderBytes = 8;
// More than Linux gives. Some process of today may have the pid of a peer of then.
constexpr int kPidOfNobody = 4'194'305;

// A frame as it was on the wire.
std::string Frame(const std::string& name) {
  std::ifstream file(absl::StrCat(ENTROPYD_VECTORS "/handover-0.1.0/", name, ".bin"),
                     std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

Message Recorded(const std::string& name) {
  Message message;
  const std::string frame = Frame(name);
  EXPECT_GT(frame.size(), kHeaderBytes) << name;
  EXPECT_TRUE(message.ParseFromString(frame.substr(std::min(frame.size(), kHeaderBytes)))) << name;
  return message;
}

// Ages grow while a test runs; all else crosses as it was.
void DropAges(handover::v1::Connection* connection) {
  connection->clear_age_nanos();
  for (auto& run : *connection->mutable_session()->mutable_run()) run.clear_age_nanos();
  connection->mutable_primer()->clear_pushed_age_nanos();
  connection->mutable_primer()->clear_check_in_nanos();
}

class Identifiers final : public Identifier {
 public:
  void Ask(IdentityQuestion) override {}
  void Withdraw(uint64_t) override {}
};

class PreviousVersionTest : public TwoHostsTest, public HandoverGiver::Subject {
 protected:
  int http_port() const override { return 0; }
  absl::Status LeaveServer() override { return absl::OkStatus(); }
  void ReturnToServer(const absl::Status& why) override { failed_ = why; }
  void Given(const std::string&) override { given_ = true; }
  void Released() override { released_ = true; }

  AgentSettings::Socket Listener(const std::string& name, size_t class_index) {
    AgentSettings::Socket socket;
    socket.path = dir_ / name;
    socket.mode = 0600;
    socket.class_index = class_index;
    socket.clients = config::v1::CLIENTS_AUTO;
    return socket;
  }
  // The recorded agent's configuration, in this test's directory.
  void Configure() override {
    settings_.classes = {{"default/gold", 1 << 20, kAge, ClassTree::kUnlimited},
                         {"default/secret", 1 << 20, kAge, ClassTree::kUnlimited},
                         {"default/slow", 1 << 20, kAge, 4096}};
    settings_.listeners = {Listener("gold.sock", 0), Listener("secret.sock", 1),
                           Listener("qemu.sock", 0), Listener("known.sock", 0)};
    settings_.listeners[2].clients = config::v1::CLIENTS_QEMU;
    settings_.listeners[3].identify = config::v1::IDENTIFY_LIBVIRT;
    AgentSettings::Socket fifo = Listener("slow.fifo", 2);
    fifo.fifo = fifo.path;
    fifo.path = absl::StrCat("fifo:", fifo.fifo);
    settings_.listeners.push_back(fifo);
  }
  void SetUp() override {
    TwoHostsTest::SetUp();
    old_.host.reset();  // the recording is in its place
    new_.host->assignment()->SetIdentifier(&identifiers_);
  }

  // The recorded message with the paths of this test's directory, and peers that are no process.
  Message Moved(const std::string& name) const {
    Message message = Recorded(name);
    if (message.has_connections()) {
      for (auto& connection : *message.mutable_connections()->mutable_connection()) {
        connection.set_pid(kPidOfNobody);
      }
    }
    if (!message.has_numbers()) return message;
    handover::v1::Numbers* numbers = message.mutable_numbers();
    const auto move = [this](std::string* text) {
      *text = absl::StrReplaceAll(*text, {{kRecordedDirectory, dir_.path()}});
    };
    for (std::string& path : *numbers->mutable_listener()) move(&path);
    for (auto& departed : *numbers->mutable_departed()) move(departed.mutable_name());
    for (auto& tap : *numbers->mutable_tap()) move(tap.mutable_name());
    for (auto& guest : *numbers->mutable_guest_sockets()->mutable_guests()) {
      move(guest.mutable_path());
    }
    return message;
  }
  static void Bind(int fd, const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
    ASSERT_EQ(listen(fd, 8), 0);
  }
  // The descriptors that come with a message: listeners, then that of the handover's own socket; or
  // the connections, whose other ends are `clients_`.
  std::vector<UniqueFd> Descriptors(const Message& message) {
    std::vector<UniqueFd> fds;
    for (const std::string& path : message.numbers().listener()) {
      unlink(path.c_str());
      fds.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      Bind(fds.back().get(), path);
    }
    if (message.has_numbers()) {
      fds.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      Bind(fds.back().get(), dir_ / "agent.sock.handover");
    }
    for (const auto& connection : message.connections().connection()) {
      int ends[2];
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
      fds.emplace_back(ends[0]);
      clients_.emplace(connection.id(), Client(UniqueFd(ends[1])));
      if (connection.input_over()) clients_.at(connection.id()).FinishSending();
    }
    return fds;
  }
  void SendMoved(HandoverLink* link, const std::string& name) {
    const Message message = Moved(name);
    const std::vector<UniqueFd> fds = Descriptors(message);
    std::vector<int> numbers;
    for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
    EXPECT_TRUE(link->Send(message, numbers, Soon()).ok()) << name;
  }

  // This version takes what version 0.1.0 gave.
  absl::Status Take() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    auto near = HandoverLink::Create(UniqueFd(ends[0])).value();
    auto far = HandoverLink::Create(UniqueFd(ends[1])).value();
    std::thread giver([&] {
      EXPECT_TRUE(near->Receive(Soon())->message.has_begin());
      SendMoved(near.get(), "02-giver-offer");
      EXPECT_TRUE(near->Receive(Soon())->message.has_request());
      SendMoved(near.get(), "04-giver-numbers");
      SendMoved(near.get(), "05-giver-connections");
      EXPECT_TRUE(near->Receive(Soon())->message.has_prepared());
      SendMoved(near.get(), "07-giver-go");
    });
    auto taken = TakeOver(std::move(far), new_.host->state(), [this](const auto& o, const auto&) {
      new_.host->state()->Expect(o);
      return absl::OkStatus();
    });
    giver.join();
    if (!taken.ok()) return taken.status();
    EXPECT_EQ(taken->connections, clients_.size());
    EXPECT_EQ(taken->version, "0.1.0");
    return absl::OkStatus();
  }

  // This version gives to a successor that says, byte for byte, what one of version 0.1.0 said.
  // Returns what came: Offer, Numbers, Connections, Go.
  std::vector<Message> Give() {
    const std::string path = dir_ / "next.sock.handover";
    auto giver =
        HandoverGiver::Start(path, new_.loop.get(), new_.host->state(), this, &log_).value();
    UniqueFd raw(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(connect(raw.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const int fd = raw.get();
    auto link = HandoverLink::Create(std::move(raw)).value();
    std::vector<Message> heard;
    std::thread taker([&] {
      const auto say = [fd](const std::string& name) {
        const std::string frame = Frame(name);
        EXPECT_EQ(write(fd, frame.data(), frame.size()), static_cast<ssize_t>(frame.size()));
      };
      const auto hear = [&] {
        auto received = link->Receive(Soon());
        if (!received.ok()) return;
        heard.push_back(received->message);
        for (UniqueFd& one : received->fds) kept_.push_back(std::move(one));
      };
      say("01-taker-begin");
      hear();
      say("03-taker-request");
      hear();
      hear();
      say("06-taker-prepared");
      hear();
      say("08-taker-serving");
    });
    for (int i = 0; i < 5'000 && !released_ && failed_.ok(); ++i) new_.loop->RunOnce(1'000'000);
    taker.join();
    EXPECT_TRUE(given_);
    EXPECT_TRUE(released_);
    return heard;
  }

  void Arrive(size_t class_index, size_t bytes) {
    new_.host->classes()[class_index]->buffer()->Append(StreamBytes(0, bytes));
    new_.host->classes()[class_index]->OnArrival();
    for (int i = 0; i < 5; ++i) Turn(&new_);
  }

  static constexpr int64_t kAge = 60'000'000'000;
  Identifiers identifiers_;
  std::map<uint64_t, Client> clients_;  // by the number that crossed
  std::vector<UniqueFd> kept_;          // what the scripted successor was given
  absl::Status failed_;
  bool given_ = false;
  bool released_ = false;
};

TEST_F(PreviousVersionTest, EveryRecordedFrameIsReadAndNoFieldIsUnknown) {
  for (const char* name :
       {"01-taker-begin", "02-giver-offer", "03-taker-request", "04-giver-numbers",
        "05-giver-connections", "06-taker-prepared", "07-giver-go", "08-taker-serving"}) {
    const std::string frame = Frame(name);
    const Message message = Recorded(name);
    EXPECT_NE(message.body_case(), Message::BODY_NOT_SET) << name;
    EXPECT_EQ(message.SerializeAsString(), frame.substr(kHeaderBytes)) << name;
  }
}

TEST_F(PreviousVersionTest, ItsFormatIsOneThatThisVersionReads) {
  EXPECT_EQ(Recorded("02-giver-offer").offer().format(), kHandoverFormat);
  EXPECT_LE(Recorded("01-taker-begin").begin().format_min(), kHandoverFormat);
  EXPECT_GE(Recorded("01-taker-begin").begin().format_max(), kHandoverFormat);
}

TEST_F(PreviousVersionTest, HalfACommandIsEndedByTheGuestAndAnsweredByThisVersion) {
  ASSERT_TRUE(Take().ok());
  clients_.at(3).Send({40});                                // 0x02 had come before
  clients_.at(4).Send({'d', 'e', 'f', 'g', 'h', 0x02, 7});  // five bytes were missing of a 0x03
  Turn(&new_);
  Arrive(0, 1'000);
  EXPECT_EQ(clients_.at(3).Receive().size(), 40u);
  EXPECT_EQ(clients_.at(4).Receive().size(), 7u);
}

TEST_F(PreviousVersionTest, WhatWasOwedIsPaidToTheByte) {
  ASSERT_TRUE(Take().ok());
  EXPECT_THAT(clients_.at(5).Receive(), IsEmpty());
  Arrive(1, 10'000);
  // 10 x 255; two replies to 0x01 of 7, each with its length before it and as long as there was
  // something at once; then 9.
  const Bytes got = clients_.at(5).Receive();
  size_t at = 2'550;
  for (int i = 0; i < 2; ++i) {
    ASSERT_LT(at, got.size());
    EXPECT_LE(got[at], 7);
    at += 1 + size_t{got[at]};
  }
  EXPECT_EQ(got.size(), at + 9);
  // This guest had ended its side: it gets its reply, then the end.
  EXPECT_EQ(clients_.at(6).Receive().size(), 16u);
  for (int i = 0; i < 3; ++i) Turn(&new_, 100'000'000);
  EXPECT_TRUE(clients_.at(6).Closed());
}

TEST_F(PreviousVersionTest, GuestsThatWereOwedNothingAreServedOn) {
  ASSERT_TRUE(Take().ok());
  for (uint64_t id : {2, 8, 10}) clients_.at(id).Send({0x02, 20});
  Turn(&new_);
  Arrive(0, 1'000);
  Arrive(2, 1'000);  // guest 10 is in the class that its domain's metadata asked for
  for (uint64_t id : {2, 8, 10}) EXPECT_EQ(clients_.at(id).Receive().size(), 20u) << id;
}

// It does not tell which file is whose.
TEST_F(PreviousVersionTest, TheSocketFilesAtItsPathsAreThisProcesssOwn) {
  ASSERT_FALSE(Recorded("04-giver-numbers").numbers().has_handover_file());
  ASSERT_EQ(Recorded("04-giver-numbers").numbers().file_size(), 0);
  settings_.listeners[0].mode = 0640;
  Make(&new_);
  new_.host->assignment()->SetIdentifier(&identifiers_);
  ASSERT_TRUE(Take().ok());
  struct stat found;
  ASSERT_EQ(stat((dir_ / "gold.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0640u);
  EXPECT_EQ(new_.host->endpoints()->MakeLostAnew(), 0u);
  new_.host->StopListening();
  EXPECT_NE(access((dir_ / "gold.sock").c_str(), F_OK), 0);
}

TEST_F(PreviousVersionTest, WhatCameCrossesOnAsItCame) {
  ASSERT_TRUE(Take().ok());
  const std::vector<Message> heard = Give();
  ASSERT_EQ(heard.size(), 4u);
  EXPECT_EQ(heard[0].offer().format(), kHandoverFormat);
  EXPECT_TRUE(heard[3].has_go());

  std::map<uint64_t, handover::v1::Connection> expected;
  const Message recorded = Moved("05-giver-connections");
  for (handover::v1::Connection connection : recorded.connections().connection()) {
    DropAges(&connection);
    // That version knew no guests: each connection had tokens of its own.
    if (connection.has_ceil_tokens()) connection.set_guest_tokens(connection.ceil_tokens());
    expected[connection.id()] = connection;
  }
  ASSERT_EQ(heard[2].connections().connection_size(), static_cast<int>(expected.size()));
  for (handover::v1::Connection connection : heard[2].connections().connection()) {
    DropAges(&connection);
    // Which listener it is, not at which place it stands.
    const std::string& path = heard[1].numbers().listener(static_cast<int>(connection.listener()));
    const handover::v1::Numbers numbers = Moved("04-giver-numbers").numbers();
    EXPECT_EQ(path, numbers.listener(static_cast<int>(expected[connection.id()].listener())));
    connection.set_listener(expected[connection.id()].listener());
    EXPECT_TRUE(MessageDifferencer::Equals(connection, expected[connection.id()]))
        << "came:\n"
        << expected[connection.id()].DebugString() << "went:\n"
        << connection.DebugString();
  }
}

TEST_F(PreviousVersionTest, NumbersOfClassesAndGuestsGoOn) {
  ASSERT_TRUE(Take().ok());
  const std::vector<Message> heard = Give();
  ASSERT_EQ(heard.size(), 4u);
  const handover::v1::Numbers& now = heard[1].numbers();
  const handover::v1::Numbers then = Moved("04-giver-numbers").numbers();
  EXPECT_THAT(std::vector<std::string>(now.listener().begin(), now.listener().end()),
              testing::UnorderedElementsAreArray(then.listener()));
  EXPECT_GE(now.next_guest(), then.next_guest());  // no number comes twice
  EXPECT_EQ(now.connections(), then.connections());
  EXPECT_TRUE(MessageDifferencer::Equals(now.guest_sockets(), then.guest_sockets()));
  ASSERT_GT(then.class__size(), 0);
  for (const auto& saved : then.class_()) {
    const auto found = std::find_if(now.class_().begin(), now.class_().end(),
                                    [&](const auto& c) { return c.class_() == saved.class_(); });
    ASSERT_NE(found, now.class_().end()) << saved.class_();
    // Time that guests wait for their ceiling goes on.
    handover::v1::ClassNumbers same = *found;
    EXPECT_GE(same.throttled_nanos(), saved.throttled_nanos());
    same.set_throttled_nanos(saved.throttled_nanos());
    EXPECT_TRUE(MessageDifferencer::Equals(same, saved)) << same.DebugString();
  }
  ASSERT_GT(then.departed_size(), 0);
  for (const auto& saved : then.departed()) {
    EXPECT_TRUE(std::any_of(now.departed().begin(), now.departed().end(),
                            [&](const auto& d) { return MessageDifferencer::Equals(d, saved); }))
        << saved.DebugString() << "not in\n"
        << now.DebugString();
  }
}

}  // namespace
}  // namespace entropyd
