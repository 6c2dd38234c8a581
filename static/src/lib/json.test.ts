import { describe, expect, it } from 'vitest'
import { compact, encode, headersFault, indented, JsonText, jsonFault } from './json'

const ID = '12345678901234567891'

describe('JSON as text', () => {
  it('goes out with every digit', () => {
    expect(encode({ a: [1, undefined, new JsonText(`{"id": ${ID}}`)], gone: undefined, text: 'say "x"' })).toBe(
      `{"a":[1,null,{"id": ${ID}}],"text":"say \\"x\\""}`,
    )
  })

  it.each([{ a: 1 }, [], {}, [[], {}], { a: [1, { b: 'x: {,}\\"' }], c: null }, 'text', 4, true])(
    'is indented as JSON.stringify does it: %j',
    (value) => {
      expect(indented(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2))
    },
  )

  it('keeps every digit when it is indented', () => {
    expect(indented(`{"id":${ID},"rate":1.10}`)).toBe(`{\n  "id": ${ID},\n  "rate": 1.10\n}`)
  })

  it('goes out without the white space that the form puts in', () => {
    const sent = `{"id":${ID},"rate":1.10,"a b":["x : \\" y",{}]}`
    expect(compact(indented(sent))).toBe(sent)
    expect(compact(' "a  b" ')).toBe('"a  b"')
    expect(compact('{"a": ')).toBe('{"a": ')
  })

  it('is left as it is when it is none', () => {
    expect(indented('{"a":')).toBe('{"a":')
    expect(jsonFault('{"a":')).toContain('not JSON')
    expect(jsonFault(' ')).toBeUndefined()
  })
})

it('headers are names with texts', () => {
  expect(headersFault('{"X-Team": "ops"}')).toBeUndefined()
  expect(headersFault(' ')).toBeUndefined()
  expect(headersFault('{"X-Team": 5}')).toBe('The value of X-Team is not a text: write it in quotes')
  expect(headersFault('["X-Team"]')).toBe('This is not an object of names and values')
  expect(headersFault('{')).toMatch(/^This is not JSON/)
})
