import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { findImages } from '../../../src/cli/find-images.ts'
import { findModel } from '../../../src/cli/find-model.ts'
import { table } from '../../../src/cli/table.ts'
import { loadImage } from '../../../src/data/index.ts'

describe('what predict reads', () => {
  const root = mkdtempSync(join(tmpdir(), 'trivium-predict-'))
  const start = process.cwd()
  const touch = (path: string): string => {
    const full = join(root, path)
    mkdirSync(join(full, '..'), { recursive: true })
    writeFileSync(full, '')
    return full
  }
  before(() => process.chdir(root))
  after(() => {
    process.chdir(start)
    rmSync(root, { recursive: true })
  })

  it('is every image below a folder, in order, and no other file', () => {
    for (const name of ['photos/b.PNG', 'photos/a/été_画像.jpg', 'photos/notes.txt', 'photos/.hidden.png']) touch(name)
    assert.deepEqual(findImages(['photos']), [join('photos', 'a', 'été_画像.jpg'), join('photos', 'b.PNG')])
  })

  it('is a named file whatever its extension, once', () => {
    touch('scan.dat')
    assert.deepEqual(findImages(['scan.dat', 'scan.dat']), ['scan.dat'])
  })

  it('is the drop folder when nothing is named', () => {
    assert.throws(() => findImages([]), /put images into inference_images/)
    touch('inference_images/x.jpeg')
    assert.deepEqual(findImages([]), [join('inference_images', 'x.jpeg')])
  })

  it('leaves a missing file to the reader, which names it and goes on with the others', async () => {
    assert.deepEqual(findImages(['nowhere.png']), ['nowhere.png'])
    await assert.rejects(loadImage('nowhere.png', { resizeTo: 8, cropTo: 8, maxPixels: 100 }), /nowhere\.png: .*ENOENT/)
  })

  it('is a model file, else the run of that name, else a folder', () => {
    const model = touch('snapshots/digits/export/model.onnx')
    touch('digits/7/image.png') // the folder of images that the run was made from
    assert.equal(findModel('digits', '.'), join('snapshots', 'digits'))
    assert.equal(findModel(model, '.'), model)
    assert.equal(findModel('photos', '.'), 'photos')
    assert.throws(() => findModel('digit', '.'), /got "digit"\. Did you mean "digits"\? Runs: digits\./)
    assert.throws(() => findModel('nothing', 'photos'), /There are no runs below photos/)
  })
})

describe('table', () => {
  it('pads to the widest cell and leaves no blanks at the end', () => {
    assert.equal(
      table(
        ['a', 'b'],
        [
          ['long', 'x'],
          ['s', ''],
        ],
      ),
      'a     b\nlong  x\ns',
    )
  })
})
