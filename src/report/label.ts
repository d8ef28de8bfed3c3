/**
 * Class names and paths as chart labels: they come from data, may be long, and may hold characters that XML forbids.
 */

/** At most `length` characters; the middle gives way, for names in a data set tend to differ at both ends. */
export function shortLabel(text: string, length = 24): string {
  const characters = [...text.replace(/[\u0000-\u001f\u007f-\u009f\ud800-\udfff\ufffe\uffff]/gu, '\ufffd')]
  if (characters.length <= length) return characters.join('')
  const head = Math.ceil((length - 1) / 2)
  return [...characters.slice(0, head), '…', ...characters.slice(characters.length - (length - 1 - head))].join('')
}
