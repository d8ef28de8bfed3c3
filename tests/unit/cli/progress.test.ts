import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { wantsColor } from '../../../src/cli/output.ts'
import { createProgress } from '../../../src/cli/progress.ts'

/** A stream that remembers what was written. */
function recorder(terminal: boolean, columns: number | undefined): { stream: NodeJS.WriteStream; text: () => string } {
  let written = ''
  const stream = {
    isTTY: terminal,
    columns,
    write: (text: string) => ((written += text), true),
    cork: () => undefined,
    uncork: () => undefined,
    on: () => stream,
    once: () => stream,
    emit: () => true,
    removeListener: () => stream,
  }
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => written }
}

describe('progress', () => {
  it('prints plain lines where there is no terminal', () => {
    const { stream, text } = recorder(false, undefined)
    const progress = createProgress({ stream, everySeconds: 0 })
    progress.start('supcon epoch 1/3', 40)
    progress.update(10, { loss: 2.18399 })
    progress.stop()
    progress.update(20)
    assert.equal(text(), '  supcon epoch 1/3: 10/40 (25%)  loss 2.184\n')
  })

  it('does not print every step', () => {
    const { stream, text } = recorder(false, undefined)
    const progress = createProgress({ stream, everySeconds: 60 })
    progress.start('x', 1000)
    for (let step = 0; step < 1000; step++) progress.update(step)
    assert.equal(text(), '')
  })

  it('treats a terminal without a width as none', () => {
    const { stream, text } = recorder(true, 0)
    const progress = createProgress({ stream, everySeconds: 0 })
    progress.start('x', 2)
    progress.update(1)
    assert.equal(text(), '  x: 1/2 (50%)\n')
  })

  it('draws a bar on a terminal, hides the cursor and gives it back', () => {
    const { stream, text } = recorder(true, 80)
    const progress = createProgress({ stream })
    progress.start('epoch', 10)
    assert.match(text(), /\u001b\[\?25l/)
    progress.write('a line\n')
    assert.match(text(), /\r\u001b\[Ka line\n/)
    progress.restore()
    assert.ok(text().lastIndexOf('\u001b[?25h') > text().lastIndexOf('\u001b[?25l'))
  })

  it('takes the bar away for a question, and draws it again at the next update', () => {
    const { stream, text } = recorder(true, 80)
    const progress = createProgress({ stream })
    progress.start('epoch', 10)
    progress.pause()
    const paused = text().length
    progress.write('asked\n')
    const asked = text().length
    progress.update(4)
    const drawn = text().length
    progress.restore()
    const restored = text().length
    progress.update(5)
    assert.equal(text().slice(paused, asked), 'asked\n')
    assert.match(text().slice(asked, drawn), /epoch /)
    assert.equal(text().length, restored)
  })

  it('is quiet when asked, but still writes text', () => {
    const { stream, text } = recorder(false, undefined)
    const progress = createProgress({ stream, everySeconds: 0, quiet: true })
    progress.start('x', 2)
    progress.update(1)
    progress.write('warning\n')
    assert.equal(text(), 'warning\n')
  })
})

describe('colours', () => {
  it('follow NO_COLOR, FORCE_COLOR and the terminal', () => {
    const saved = { no: process.env['NO_COLOR'], force: process.env['FORCE_COLOR'], term: process.env['TERM'] }
    try {
      delete process.env['NO_COLOR']
      delete process.env['FORCE_COLOR']
      process.env['TERM'] = 'xterm'
      assert.equal(wantsColor(recorder(true, 80).stream), true)
      assert.equal(wantsColor(recorder(false, 80).stream), false)
      process.env['FORCE_COLOR'] = '1'
      assert.equal(wantsColor(recorder(false, 80).stream), true)
      process.env['NO_COLOR'] = '1'
      assert.equal(wantsColor(recorder(true, 80).stream), false)
    } finally {
      for (const [name, value] of [
        ['NO_COLOR', saved.no],
        ['FORCE_COLOR', saved.force],
        ['TERM', saved.term],
      ] as const) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    }
  })
})
