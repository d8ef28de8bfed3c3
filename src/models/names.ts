/**
 * The backbones that can be named, known without loading the addon: configurations are checked, and editors complete them, from this
 * list. A test compares it with the native registry.
 */
export const backboneNames: readonly string[] = [
  'cifar_cnn',
  'cifar_cnn_test',
  'resnet18',
  'resnet34',
  'resnet50',
  'resnet_test',
  'small_cnn',
  'vit_base_patch16_224',
  'vit_small_patch16_224',
  'vit_test',
  'vit_tiny_patch16_224',
]
