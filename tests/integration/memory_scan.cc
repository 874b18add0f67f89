// Draws bytes from an EGD socket, then looks for them, and for private keys, in the whole memory of
// other processes.
//
//   it_memory_scan SOCKET MIB RECORDS PID=KEY.pem...
//
// For each process it prints one line. Exit 1 when
//   * a block of 16 bytes that was drawn lies there, outside of at most RECORDS places that are no
//     longer than a TLS record each: OpenSSL keeps the last record of a live connection;
//   * or the private key, as PEM, DER or OpenSSL's number, lies in a page that may be swapped
//     (neither locked nor excluded from dumps).
// The key must be found as a number, and the program finds what lies in its own memory: a search
// that finds nothing anywhere proves nothing. Needs root: no other may read these processes.
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cinttypes>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/integration/egd_socket.h"

namespace entropyd {
namespace {

constexpr size_t kBlock = 16;
// Of TLS 1.3: 2^14 bytes of plaintext (RFC 8446, 5.1).
constexpr size_t kRecordBytes = 16384;
// The parts of one record may lie apart by the headers of HTTP/2, gRPC and protobuf.
constexpr size_t kGap = 128;

struct Block {
  uint64_t head, tail;
  bool operator<(const Block& o) const { return head != o.head ? head < o.head : tail < o.tail; }
};

// A set of blocks that answers quickly that it has not got one.
class Blocks {
 public:
  explicit Blocks(const std::vector<uint8_t>& bytes) : filter_(kFilterBits / 64) {
    sorted_.resize(bytes.size() / kBlock);
    memcpy(sorted_.data(), bytes.data(), sorted_.size() * kBlock);
    for (const Block& block : sorted_) filter_[Bit(block.head) / 64] |= Mask(block.head);
    std::sort(sorted_.begin(), sorted_.end());
  }
  bool Has(const uint8_t* at) const {
    Block block;
    memcpy(&block, at, kBlock);
    return (filter_[Bit(block.head) / 64] & Mask(block.head)) != 0 &&
           std::binary_search(sorted_.begin(), sorted_.end(), block);
  }

 private:
  static constexpr uint64_t kFilterBits = uint64_t{1} << 31;  // 64 Mi blocks fill 3 % of it
  static uint64_t Bit(uint64_t head) { return head % kFilterBits; }
  static uint64_t Mask(uint64_t head) { return uint64_t{1} << (Bit(head) % 64); }

  std::vector<Block> sorted_;
  std::vector<uint64_t> filter_;
};

std::vector<uint8_t> Draw(const char* socket, size_t bytes) {
  constexpr uint8_t kAsk = 240;  // a multiple of 16
  constexpr size_t kBurst = 64;
  const int fd = ConnectEgd(socket);
  std::vector<uint8_t> commands;
  for (size_t i = 0; i < kBurst; ++i) commands.insert(commands.end(), {0x02, kAsk});
  std::vector<uint8_t> all(bytes / (kBurst * kAsk) * kBurst * kAsk);
  size_t asked = 0;
  for (size_t have = 0; have < all.size();) {
    if (asked < all.size() && asked - have < kBurst * kAsk) {
      if (!SendAll(fd, commands.data(), commands.size())) Die(socket);
      asked += kBurst * kAsk;
    }
    const ssize_t n = recv(fd, all.data() + have, all.size() - have, 0);
    if (n <= 0) Die(socket);
    have += static_cast<size_t>(n);
  }
  close(fd);
  return all;
}

// What a key may look like in memory: text, and each half of the secret number in both byte orders.
constexpr size_t kForms = 5;
struct Key {
  std::string path;
  std::vector<std::string> forms;
};

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.empty()) Die(path.c_str());
  return text;
}

Key ReadKey(const std::string& path) {
  Key key{path, {}};
  const std::string pem = ReadText(path);
  // The second line: the first one of the text is as in every key of this kind.
  const size_t body = pem.find('\n', pem.find('\n') + 1) + 1;
  key.forms.push_back(pem.substr(body, 40));
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* pkey = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  BIGNUM* number = nullptr;
  if (pkey == nullptr || EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) {
    fprintf(stderr, "it_memory_scan: %s: no key with a secret number\n", path.c_str());
    exit(1);
  }
  std::string big(static_cast<size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(big.data()));
  // Half of it is enough to know it by, and finds what is half overwritten.
  const std::string little(big.rbegin(), big.rend());
  key.forms.push_back(big.substr(0, kBlock));
  key.forms.push_back(big.substr(big.size() - kBlock));
  key.forms.push_back(little.substr(0, kBlock));
  key.forms.push_back(little.substr(little.size() - kBlock));
  BN_clear_free(number);
  EVP_PKEY_free(pkey);
  return key;
}

struct Mapping {
  uint64_t start = 0, end = 0;
  bool readable = false;
  bool kept = false;  // locked, or at least never dumped
  std::string name;
};

// The mappings of /proc/PID/smaps, in order.
std::vector<Mapping> MappingsOf(const std::string& pid) {
  std::ifstream smaps("/proc/" + pid + "/smaps");
  std::vector<Mapping> mappings;
  for (std::string line; std::getline(smaps, line);) {
    Mapping mapping;
    char mode[5] = "";
    int name_at = 0;
    if (sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", &mapping.start,
               &mapping.end, mode, &name_at) == 3) {
      mapping.readable = mode[0] == 'r';
      mapping.name = name_at > 0 ? line.substr(static_cast<size_t>(name_at)) : "";
      mappings.push_back(mapping);
    } else if (line.rfind("VmFlags:", 0) == 0 && !mappings.empty()) {
      line += ' ';
      mappings.back().kept =
          line.find(" lo ") != std::string::npos || line.find(" dd ") != std::string::npos;
    }
  }
  return mappings;
}

// What one process has in its memory.
struct Found {
  size_t looked_at = 0;
  size_t blocks = 0;
  size_t places = 0;   // runs of blocks
  size_t longest = 0;  // of them, in bytes
  size_t keys[kForms] = {};
  size_t loose_keys = 0;
};

class Scan {
 public:
  Scan(std::string pid, const Blocks* blocks, const Key* key)
      : pid_(std::move(pid)), blocks_(blocks), key_(key) {
    mem_ = open(("/proc/" + pid_ + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
    if (mem_ < 0) Die(("/proc/" + pid_ + "/mem").c_str());
  }
  ~Scan() { close(mem_); }

  Found Run() {
    for (const Mapping& mapping : MappingsOf(pid_)) {
      if (mapping.readable && mapping.name != "[vvar]" && mapping.name != "[vsyscall]") {
        Look(mapping);
      }
    }
    return found_;
  }

 private:
  void Look(const Mapping& mapping) {
    constexpr size_t kPage = 4096;
    std::vector<uint8_t> bytes(mapping.end - mapping.start);
    size_t have = 0;
    while (have < bytes.size()) {
      const ssize_t n = pread(mem_, bytes.data() + have, bytes.size() - have,
                              static_cast<off_t>(mapping.start + have));
      // A page that cannot be read holds nothing that was written.
      have += n > 0 ? static_cast<size_t>(n) : kPage - have % kPage;
    }
    found_.looked_at += bytes.size();
    LookForBlocks(mapping, bytes);
    if (key_ != nullptr) LookForKey(mapping, bytes);
  }

  void LookForBlocks(const Mapping& mapping, const std::vector<uint8_t>& bytes) {
    size_t begin = 0, end = 0;  // the run
    for (size_t at = 0; at + kBlock <= bytes.size();) {
      if (!blocks_->Has(bytes.data() + at)) {
        ++at;
        continue;
      }
      ++found_.blocks;
      if (end == 0 || at > end + kGap || at + kBlock - begin > kRecordBytes + kGap) {
        Tell(mapping, begin, end);
        begin = at;
        ++found_.places;
      }
      end = at += kBlock;
    }
    Tell(mapping, begin, end);
  }
  void Tell(const Mapping& mapping, size_t begin, size_t end) {
    if (end == 0) return;
    found_.longest = std::max(found_.longest, end - begin);
    if (++told_ > 20 || key_ == nullptr) return;
    fprintf(stderr, "  %s: drawn bytes at %" PRIx64 ", %zu long, in %s\n", pid_.c_str(),
            mapping.start + begin, end - begin, mapping.name.c_str());
  }

  void LookForKey(const Mapping& mapping, const std::vector<uint8_t>& bytes) {
    for (size_t form = 0; form < key_->forms.size(); ++form) {
      const std::string& bytes_of_form = key_->forms[form];
      const uint8_t* const end = bytes.data() + bytes.size();
      for (const uint8_t* at = bytes.data();; ++at) {
        at = static_cast<const uint8_t*>(
            memmem(at, static_cast<size_t>(end - at), bytes_of_form.data(), bytes_of_form.size()));
        if (at == nullptr) break;
        ++found_.keys[form];
        if (mapping.kept) continue;
        ++found_.loose_keys;
        fprintf(stderr, "  %s: form %zu of the key at %" PRIx64 ", unlocked, in %s\n", pid_.c_str(),
                form, mapping.start + static_cast<uint64_t>(at - bytes.data()),
                mapping.name.c_str());
      }
    }
  }

  const std::string pid_;
  const Blocks* const blocks_;
  const Key* const key_;
  int mem_ = -1;
  int told_ = 0;
  Found found_;
};

std::string ReadCommand(const std::string& pid) {
  std::string name = ReadText("/proc/" + pid + "/comm");
  name.pop_back();
  return name;
}

int Main(int argc, char** argv) {
  if (argc < 5 || atoi(argv[2]) < 1 || atoi(argv[3]) < 0) {
    fprintf(stderr, "usage: it_memory_scan SOCKET MIB RECORDS PID=KEY.pem...\n");
    return 2;
  }
  std::vector<uint8_t> drawn = Draw(argv[1], static_cast<size_t>(atoi(argv[2])) << 20);
  const size_t records = static_cast<size_t>(atoi(argv[3]));
  const Blocks blocks(drawn);
  // The first MiB stays, to be found here.
  drawn.resize(1 << 20);
  drawn.shrink_to_fit();
  bool good = true;
  if (Scan(std::to_string(getpid()), &blocks, nullptr).Run().blocks < drawn.size() / kBlock) {
    fprintf(stderr, "it_memory_scan: the search does not find what lies here\n");
    return 1;
  }
  for (int i = 4; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string pid = argument.substr(0, equals);
    const Key key = ReadKey(argument.substr(equals + 1));
    const Found found = Scan(pid, &blocks, &key).Run();
    printf(
        "%s: %zu MiB of memory, %s MiB drawn: %zu blocks in clear, in %zu places of %zu bytes "
        "at most; the key %zu times as text, %zu times as a number, %zu parts of it unlocked\n",
        ReadCommand(pid).c_str(), found.looked_at >> 20, argv[2], found.blocks, found.places,
        found.longest, found.keys[0], found.keys[1] + found.keys[3], found.loose_keys);
    good &= found.places <= records && found.longest <= kRecordBytes + kGap;
    // A key that is in use lies somewhere as OpenSSL's number, low end first on this machine.
    good &= found.keys[3] > 0 && found.loose_keys == 0;
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
