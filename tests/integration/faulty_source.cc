// A generator that fails on command: it writes to a FIFO that the driver char_device reads.
//
//   it_faulty_source DEVICE CONTROL
//
// Makes both FIFOs. Gives bytes of getrandom(2) until a line of CONTROL says otherwise:
//
//   good             good bytes; first it takes back bad bytes that nobody has read yet
//   stuck N          the same byte N times, then good bytes (0 = for ever)
//   biased BITS      that many random bits in each byte, the others 0
//   replay PERIOD    what it gave PERIOD bytes earlier, again and again
//   gone             closes the device, as if somebody pulled it out
//   count            only answers
//
// Answers each line with a line: how many good and how many bad bytes were read so far. At most 256
// bytes wait in the FIFO, because a device has few in store.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bitset>
#include <string>
#include <vector>

#include "base/process/fd.h"
#include "tests/integration/control_fifo.h"

namespace entropyd {
namespace {

constexpr size_t kStore = 256;
constexpr size_t kHistory = 1 << 17;  // the longest period

class FaultyDevice {
 public:
  explicit FaultyDevice(const char* path) : path_(path), history_(kHistory) {
    if (mkfifo(path, 0600) != 0) Die();
    Open();
  }

  void Obey(const std::string& line) {
    char word[16] = {};
    size_t number = 0;
    sscanf(line.c_str(), "%15s %zu", word, &number);
    const std::string command = word;
    if (command == "good" || command == "gone") Withdraw();
    if (command == "gone") {
      fd_.reset();
    } else if (command != "count") {
      if (!fd_) Open();
      mode_ = command;
      number_ = number;
    }
    size_t taken[2] = {given_[0], given_[1]};
    for (size_t i = Waiting(); i > 0; --i) --taken[WasBad(i)];
    printf("%s: good=%zu bad=%zu\n", line.c_str(), taken[0], taken[1]);
    fflush(stdout);
  }

  void Give() {
    if (!fd_) return;
    uint8_t bytes[kStore];
    const size_t n = kStore - Waiting();
    for (size_t i = 0; i < n; ++i) bytes[i] = Next();
    if (n > 0 && write(fd_.get(), bytes, n) != static_cast<ssize_t>(n)) Die();
  }

 private:
  [[noreturn]] void Die() {
    perror(path_);
    exit(1);
  }
  void Open() {
    // Opens both ends, so that opening and writing do not depend on the reader.
    fd_.reset(open(path_, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd_) Die();
  }
  size_t Waiting() {
    int bytes = 0;
    if (fd_ && ioctl(fd_.get(), FIONREAD, &bytes) != 0) Die();
    return static_cast<size_t>(bytes);
  }
  // Takes what waits in the FIFO, in one piece. These are the last bytes given, even if somebody
  // else reads, too.
  void Withdraw() {
    uint8_t bytes[kStore];
    const ssize_t n = fd_ ? read(fd_.get(), bytes, sizeof bytes) : 0;
    for (ssize_t i = 0; i < n; ++i) {
      --given_[WasBad(1)];
      --position_;
    }
  }
  // Whether the byte given i bytes ago was bad; 1 = the last one.
  bool WasBad(size_t i) const { return bad_[(position_ - i) % kHistory]; }

  uint8_t Next() {
    uint8_t byte = 0;
    if (getrandom(&byte, 1, 0) != 1) Die();
    const bool bad = mode_ != "good";
    if (mode_ == "stuck") {
      byte = 0x5a;
      if (number_ > 0 && --number_ == 0) mode_ = "good";
    } else if (mode_ == "biased") {
      byte = static_cast<uint8_t>(byte & ((1u << number_) - 1));
    } else if (mode_ == "replay") {
      byte = history_[(position_ - number_) % kHistory];
    }
    history_[position_ % kHistory] = byte;
    bad_[position_ % kHistory] = bad;
    ++given_[bad];
    ++position_;
    return byte;
  }

  const char* const path_;
  UniqueFd fd_;
  std::string mode_ = "good";
  size_t number_ = 0;         // of the mode
  size_t given_[2] = {0, 0};  // good and bad bytes, without those taken back
  // Of the last bytes given, in a ring.
  size_t position_ = kHistory;
  std::vector<uint8_t> history_;
  std::bitset<kHistory> bad_;
};

int Main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: it_faulty_source DEVICE CONTROL\n");
    return 2;
  }
  FaultyDevice device(argv[1]);
  ControlFifo control(argv[2]);
  std::string line;
  while (true) {
    if (control.Next(1, &line)) device.Obey(line);
    device.Give();
  }
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
