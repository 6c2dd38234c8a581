// The browser of the tests has no layout, no network and no canvas: a window of sufficient size, a live connection that
// never opens, so that pages poll, and drawings without effect.

import { cleanup, configure } from '@testing-library/react'
import { afterEach, vi } from 'vitest'

// A long time-out, for a busy machine.
configure({ asyncUtilTimeout: 15_000 })

Object.defineProperty(HTMLElement.prototype, 'clientHeight', { configurable: true, get: () => 800 })
Object.defineProperty(HTMLElement.prototype, 'clientWidth', { configurable: true, get: () => 1_280 })

class DeafSocket {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  readonly readyState = DeafSocket.CONNECTING
  close() {}
  send() {}
}
vi.stubGlobal('WebSocket', DeafSocket)

// It draws on a canvas, which does not exist here; drawings are tested as values, and in a real browser.
vi.mock('uplot', () => {
  class Drawing {
    static readonly paths = {}
    setData() {}
    setSize() {}
    destroy() {}
  }
  return { default: Drawing }
})

afterEach(cleanup)
