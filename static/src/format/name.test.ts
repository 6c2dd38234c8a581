import { expect, test } from 'vitest'
import { visible } from './name'

test('what turns letters around is seen, other scripts stay as they are', () => {
  expect(visible('\u202egnp.exe')).toBe('\ufffdgnp.exe')
  expect(visible('דוח יומי')).toBe('דוח יומי')
})
