/** Plain facts that the addon hands out. */
export interface BackboneCost {
  readonly parameters: number
  /** of the forward pass of one image */
  readonly multiplyAdds: number
}

/** A tensor that lies in a run of bytes of a file. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: string
  /** Which run of bytes. */
  readonly storage: number
  /** Element of the run at which it begins. */
  readonly first: number
  readonly shape: readonly number[]
  /** In elements. */
  readonly strides: readonly number[]
}

export interface Versions {
  readonly libtorch: string
  readonly cudaBuild: boolean
  readonly cudaDevices: number
}

/** In bytes. */
export interface DeviceMemory {
  /** the most that LibTorch has held for itself */
  readonly peak: number
  readonly free: number
  readonly total: number
}
