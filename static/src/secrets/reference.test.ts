import { expect, test } from 'vitest'
import { generateSigningSecret, hostsOf, withReference } from './reference'

const empty = (reference: string) => `{"a": "${reference}"}`

test('a reference stands inside of a string, or is one', () => {
  expect(withReference('{"a": "Bearer "}', 14, 'crm', empty)).toBe(`{"a": "Bearer \${secret:crm}"}`)
  expect(withReference('{"a": }', 6, 'crm', empty)).toBe(`{"a": "\${secret:crm}"}`)
  expect(withReference(' ', 1, 'crm', empty)).toBe(`{"a": "\${secret:crm}"}`)
  expect(withReference('{"a"', 4, 'crm', empty)).toBe(`{"a"\${secret:crm}`)
})

test('a generated signing secret has 32 random bytes, which differ', () => {
  const [one, other] = [generateSigningSecret(), generateSigningSecret()]
  expect(one).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(one).not.toBe(other)
})

test('hosts are separated by lines, commas or spaces', () => {
  expect(hostsOf(' api.example.com,\nb.example.com:8443  c\n')).toEqual(['api.example.com', 'b.example.com:8443', 'c'])
  expect(hostsOf(' ')).toEqual([])
})
