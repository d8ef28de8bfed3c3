/**
 * The backbones that can be named, known without loading the addon: configurations are checked, and editors complete them, from this
 * list. A test compares it with the native registry.
 */
export const backboneNames: readonly string[] = [
  'cifar_cnn',
  'cifar_cnn_test',
  'cifar_resnet_test',
  'resnet101',
  'resnet110',
  'resnet152',
  'resnet18',
  'resnet20',
  'resnet26',
  'resnet32',
  'resnet34',
  'resnet44',
  'resnet50',
  'resnet56',
  'resnet_test',
  'small_cnn',
  'vit_base_patch16_224',
  'vit_small_patch16_224',
  'vit_test',
  'vit_tiny_patch16_224',
]
