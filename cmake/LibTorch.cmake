# The LibTorch in TRIVIUM_LIBTORCH as target `libtorch`; sets TRIVIUM_CUDA and TRIVIUM_RPATH.
#
# Not find_package(Torch): its package file of a CUDA build wants the whole CUDA toolkit, also where only the CPU is used, and
# links libraries that nothing here calls.
set(TRIVIUM_LIBTORCH "" CACHE PATH "folder with LibTorch's include/ and lib/")
set(TRIVIUM_LIBTORCH_OLDEST 2.11)
set(TRIVIUM_LIBTORCH_NEWEST 2.14)

if(NOT EXISTS "${TRIVIUM_LIBTORCH}/include/torch/csrc/api/include/torch/types.h")
  message(FATAL_ERROR "LibTorch: expected a folder with include/ and lib/ in TRIVIUM_LIBTORCH but got \"${TRIVIUM_LIBTORCH}\". "
                      "Run node scripts/build-native.mjs, which finds it.")
endif()

set(version_header "${TRIVIUM_LIBTORCH}/include/torch/headeronly/version.h")
if(NOT EXISTS "${version_header}")
  set(version_header "${TRIVIUM_LIBTORCH}/include/torch/csrc/api/include/torch/version.h")
endif()
file(STRINGS "${version_header}" version_line REGEX "define TORCH_VERSION_(MAJOR|MINOR)")
string(REGEX MATCH "TORCH_VERSION_MAJOR ([0-9]+)" _ "${version_line}")
set(libtorch_major ${CMAKE_MATCH_1})
string(REGEX MATCH "TORCH_VERSION_MINOR ([0-9]+)" _ "${version_line}")
set(libtorch_version "${libtorch_major}.${CMAKE_MATCH_1}")
if(libtorch_version VERSION_LESS TRIVIUM_LIBTORCH_OLDEST OR libtorch_version VERSION_GREATER TRIVIUM_LIBTORCH_NEWEST)
  message(FATAL_ERROR "LibTorch: expected ${TRIVIUM_LIBTORCH_OLDEST} … ${TRIVIUM_LIBTORCH_NEWEST} but ${TRIVIUM_LIBTORCH} is "
                      "${libtorch_version}. Set LIBTORCH to another copy.")
endif()

add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE
  "${TRIVIUM_LIBTORCH}/include" "${TRIVIUM_LIBTORCH}/include/torch/csrc/api/include")
target_link_directories(libtorch INTERFACE "${TRIVIUM_LIBTORCH}/lib")
target_link_libraries(libtorch INTERFACE torch_cpu c10)
set(TRIVIUM_RPATH "${TRIVIUM_LIBTORCH}/lib")

set(TRIVIUM_CUDA OFF)
if(EXISTS "${TRIVIUM_LIBTORCH}/lib/libtorch_cuda.so")
  # --no-as-needed: nothing names a symbol of torch_cuda, its constructors register the CUDA kernels.
  target_link_options(libtorch INTERFACE "LINKER:--no-as-needed")
  target_link_libraries(libtorch INTERFACE torch_cuda c10_cuda)
  # The wheels of CUDA's own libraries lie beside torch's.
  file(GLOB cuda_library_folders "${TRIVIUM_LIBTORCH}/../nvidia/*/lib")
  list(APPEND TRIVIUM_RPATH ${cuda_library_folders})
  foreach(folder ${cuda_library_folders})
    target_link_options(libtorch INTERFACE "LINKER:-rpath-link,${folder}")
  endforeach()
  find_program(TRIVIUM_NVCC nvcc HINTS "$ENV{CUDA_HOME}/bin" /usr/local/cuda/bin)
  if(TRIVIUM_NVCC)
    set(TRIVIUM_CUDA ON)
  endif()
endif()
message(STATUS "LibTorch ${libtorch_version} in ${TRIVIUM_LIBTORCH}, CUDA kernels: ${TRIVIUM_CUDA}")
