import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { csvLine, parseCsv } from '../../../src/util/csv.ts'

describe('csv', () => {
  it('quotes what RFC 4180 says must be quoted, and doubles quotes', () => {
    assert.equal(csvLine(['a', 'b,c', 'say "hi"', 'two\nlines']), 'a,"b,c","say ""hi""","two\nlines"\n')
  })

  it('leaves names alone that a spreadsheet would read as a formula', () => {
    assert.equal(csvLine(['=1+1', '@x', '-5', '+a']), '=1+1,@x,-5,+a\n')
  })

  it('writes missing values as empty fields and numbers so that they read back exactly', () => {
    assert.equal(
      csvLine([null, undefined, NaN, -Infinity, true, 0.1 + 0.2]),
      ',,NaN,-Infinity,true,0.30000000000000004\n',
    )
  })

  it('reads back every field that it wrote', () => {
    const fields = ['', ' lead', 'trail ', '"', ',', '\n', '\r\n', 'a\rb', 'naïve 猫', '""', 'tab\t', '0']
    const second = [...fields].reverse()
    assert.deepEqual(parseCsv(csvLine(fields) + csvLine(second)), [fields, second])
  })

  it('reads CRLF files and a last line without a line feed', () => {
    assert.deepEqual(parseCsv('a,b\r\n"c\r\nd",e'), [
      ['a', 'b'],
      ['c\r\nd', 'e'],
    ])
  })
})
