// Decoding of batches and reading of packed files, on libuv's pool and threads of their own: neither enters OpenMP.
#include <atomic>
#include <cmath>

#include "bindings/arrays.h"
#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/register.h"
#include "core/error.h"
#include "data/decode_batch.h"
#include "data/jpeg.h"
#include "data/packed_file.h"
#include "data/xxhash64.h"

namespace trivium::bindings {
namespace {

/// Runs `work` on the pool and settles a promise with what `finish` makes of it. Both keep what they need alive.
class PoolJob : public Napi::AsyncWorker {
 public:
  PoolJob(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> finish)
      : Napi::AsyncWorker(env), deferred(Napi::Promise::Deferred::New(env)), work_(std::move(work)), finish_(std::move(finish)) {}

  static Napi::Value start(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> finish) {
    auto* job = new PoolJob(env, std::move(work), std::move(finish));  // frees itself when done
    const auto promise = job->deferred.Promise();
    job->Queue();
    return promise;
  }

  void Execute() override {
    try {
      work_();
    } catch (...) {
      failure_ = describe(std::current_exception());
    }
  }

  void OnOK() override {
    settle(Env(), deferred, [&]() -> Napi::Value {
      if (failure_) throw to_js(Env(), *failure_);
      return finish_(Env());
    });
  }

  Napi::Promise::Deferred deferred;

 private:
  std::function<void()> work_;
  std::function<Napi::Value(Napi::Env)> finish_;
  std::optional<Failure> failure_;
};

int64_t whole(const Napi::Value& value, const char* what, double least, double most) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= least && number <= most) || number != std::floor(number))
    throw error(ErrorKind::Shape, what, ": expected a whole number from ", least, " to ", most, " but got ", number);
  return static_cast<int64_t>(number);
}

Napi::Uint8Array bytes_of(const Napi::Value& value, const char* what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw error(ErrorKind::Shape, what, ": expected a Uint8Array");
  return value.As<Napi::Uint8Array>();
}

/// `room`, when the caller lends one of `length` bytes; else new memory.
Napi::Uint8Array room_for(const Napi::CallbackInfo& info, size_t at, size_t length) {
  if (info.Length() <= at || info[at].IsUndefined()) return new_array<Napi::Uint8Array>(info.Env(), length);
  const auto room = bytes_of(info[at], "room");
  if (room.ElementLength() != length) throw error(ErrorKind::Shape, "room: expected ", length, " bytes but got ", room.ElementLength());
  return room;
}

std::shared_ptr<Napi::ObjectReference> kept(const Napi::Object& object) {
  return std::make_shared<Napi::ObjectReference>(Napi::Persistent(object));
}

Napi::Value jpeg_library(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), data::jpeg_library()); }

struct Batch {
  std::vector<data::EncodedPicture> pictures;
  data::BatchGeometry geometry;
  data::BatchResult result;
  std::atomic<bool> stop{false};
};

std::vector<data::EncodedPicture> pictures_of(const Napi::Array& list) {
  std::vector<data::EncodedPicture> pictures;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value item = list.Get(i);
    data::EncodedPicture picture;
    if (item.IsString()) {
      picture.path = to_string(item, "path");
    } else if (item.IsTypedArray()) {
      const auto bytes = bytes_of(item, "picture");
      picture.bytes = bytes.Data();
      picture.length = static_cast<int64_t>(bytes.ElementLength());
    } else {
      const auto place = item.As<Napi::Array>();
      picture.path = to_string(place.Get(0u), "path");
      picture.offset = whole(place.Get(1u), "offset", 0, 9e15);
      picture.length = whole(place.Get(2u), "length", 0, 9e15);
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

Napi::Uint8Array to_bytes(Napi::Env env, const std::vector<uint64_t>& hashes) {
  auto out = new_array<Napi::Uint8Array>(env, hashes.size() * 8);
  if (!hashes.empty()) std::memcpy(out.Data(), hashes.data(), hashes.size() * 8);
  return out;
}

// hashPictures((path | [path, offset, length] | bytes)[], threads) → Promise<bytes>: XXH64 of each, little-endian u64
Napi::Value hash_pictures(const Napi::CallbackInfo& info) {
  const auto list = info[0].As<Napi::Array>();
  const auto pictures = std::make_shared<std::vector<data::EncodedPicture>>(pictures_of(list));
  const int threads = static_cast<int>(whole(info[1], "threads", 1, 1024));
  const auto hashes = std::make_shared<std::vector<uint64_t>>();
  return PoolJob::start(
      info.Env(), [=] { *hashes = data::hash_batch(*pictures, threads); },
      [hashes, reference = kept(list)](Napi::Env env) { return to_bytes(env, *hashes); });
}

// decodeBatch((path | [path, offset, length] | bytes)[], resizeTo, cropTo, maxPixels, threads, interpolation, room?)
//   → Promise<{pixels [N, cropTo, cropTo, 3], done [N], sizes [N, 2]}>
Napi::Value decode_batch(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto list = info[0].As<Napi::Array>();
  const auto batch = std::make_shared<Batch>();
  batch->pictures = pictures_of(list);
  batch->geometry = {whole(info[1], "resizeTo", 1, 8192), whole(info[2], "cropTo", 1, 8192), whole(info[3], "maxPixels", 1, 1e12),
                     to_string(info[5], "interpolation")};
  const int threads = static_cast<int>(whole(info[4], "threads", 1, 1024));
  const int64_t side = batch->geometry.crop_to;
  auto pixels = room_for(info, 6, batch->pictures.size() * side * side * 3);
  auto keeper = Napi::Object::New(env);
  keeper.Set("list", list);
  keeper.Set("pixels", pixels);
  const auto reference = kept(keeper);
  return PoolJob::start(
      env,
      [batch, threads, out = pixels.Data()] {
        batch->result = data::decode_batch(batch->pictures, batch->geometry, threads, out, batch->stop);
      },
      [batch, reference](Napi::Env env) {
        auto done = new_array<Napi::Uint8Array>(env, batch->result.done.size());
        std::copy(batch->result.done.begin(), batch->result.done.end(), done.Data());
        auto sizes = new_array<Napi::Int32Array>(env, batch->result.sizes.size());
        std::copy(batch->result.sizes.begin(), batch->result.sizes.end(), sizes.Data());
        auto object = Napi::Object::New(env);
        object.Set("pixels", reference->Value().Get("pixels"));
        object.Set("done", done);
        object.Set("sizes", sizes);
        return object;
      });
}

// hashRecords(bytes, recordBytes) → Promise<bytes>: XXH64 of each record, little-endian u64
Napi::Value hash_records(const Napi::CallbackInfo& info) {
  const auto bytes = bytes_of(info[0], "bytes");
  const size_t length = bytes.ElementLength();
  const size_t record = static_cast<size_t>(whole(info[1], "record bytes", 1, 9e15));
  if (length % record != 0) throw error(ErrorKind::Shape, "hash: expected whole records of ", record, " bytes but got ", length);
  const auto hashes = std::make_shared<std::vector<uint64_t>>(length / record);
  return PoolJob::start(
      info.Env(),
      [hashes, record, at = bytes.Data()] {
        for (size_t i = 0; i < hashes->size(); i++) (*hashes)[i] = data::xxhash64(at + i * record, record);
      },
      [hashes, reference = kept(bytes)](Napi::Env env) {
        return to_bytes(env, *hashes);
      });
}

class PackWrap : public Napi::ObjectWrap<PackWrap> {
 public:
  explicit PackWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PackWrap>(info) {}
  std::shared_ptr<const data::PackedFile> file;
};

PackWrap& pack_of(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject() || !info[0].As<Napi::Object>().InstanceOf(Environment::of(info.Env()).pack_class.Value()))
    throw error(ErrorKind::Binding, "expected a packed file");
  return *PackWrap::Unwrap(info[0].As<Napi::Object>());
}

// packOpen(path) → Promise<{handle, count, side, text}>
Napi::Value pack_open(const Napi::CallbackInfo& info) {
  const auto file = std::make_shared<std::shared_ptr<const data::PackedFile>>();
  return PoolJob::start(
      info.Env(), [file, path = to_string(info[0], "path")] { *file = data::PackedFile::open(path); },
      [file](Napi::Env env) {
        const auto handle = Environment::of(env).pack_class.New({});
        PackWrap::Unwrap(handle)->file = *file;
        auto object = Napi::Object::New(env);
        object.Set("handle", handle);
        object.Set("count", Napi::Number::New(env, static_cast<double>((*file)->count())));
        object.Set("side", Napi::Number::New(env, static_cast<double>((*file)->side())));
        object.Set("text", (*file)->text());
        return object;
      });
}

// packRead(pack, indices Int32Array, resizeTo, cropTo, room?) → Promise<{pixels [N, cropTo, cropTo, 3], damaged: row[]}>
Napi::Value pack_read(const Napi::CallbackInfo& info) {
  const auto file = pack_of(info).file;
  if (!file) throw error(ErrorKind::Binding, "the packed file was closed");
  const auto list = info[1].As<Napi::Int32Array>();
  const auto indices = std::make_shared<std::vector<int64_t>>(list.Data(), list.Data() + list.ElementLength());
  const int64_t resize_to = whole(info[2], "resizeTo", 1, 8192), crop_to = whole(info[3], "cropTo", 1, 8192);
  auto pixels = room_for(info, 4, indices->size() * crop_to * crop_to * 3);
  const auto damaged = std::make_shared<std::vector<int32_t>>();
  return PoolJob::start(
      info.Env(), [=, out = pixels.Data()] { *damaged = file->read(*indices, resize_to, crop_to, out); },
      [damaged, reference = kept(pixels)](Napi::Env env) {
        auto rows = Napi::Array::New(env);
        for (const int32_t row : *damaged) rows.Set(rows.Length(), Napi::Number::New(env, row));
        auto object = Napi::Object::New(env);
        object.Set("pixels", reference->Value());
        object.Set("damaged", rows);
        return object;
      });
}

// packClose(pack): unmaps the file once reads under way have ended
Napi::Value pack_close(const Napi::CallbackInfo& info) {
  pack_of(info).file.reset();
  return info.Env().Undefined();
}

}  // namespace

void register_data(Napi::Env env, Napi::Object exports) {
  Environment::of(env).pack_class = Napi::Persistent(PackWrap::DefineClass(env, "PackedFile", {}));
  export_function<jpeg_library>(env, exports, "jpegLibrary");
  export_function<decode_batch>(env, exports, "decodeBatch");
  export_function<hash_pictures>(env, exports, "hashPictures");
  export_function<hash_records>(env, exports, "hashRecords");
  export_function<pack_open>(env, exports, "packOpen");
  export_function<pack_read>(env, exports, "packRead");
  export_function<pack_close>(env, exports, "packClose");
}

}  // namespace trivium::bindings
