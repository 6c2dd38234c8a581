// The browser that the tests run in has no layout, no network and no canvas: a window that is large enough, a live connection
// that never comes about, so that pages poll, and drawings that draw nothing.

import { cleanup, configure } from '@testing-library/react'
import { afterEach, vi } from 'vitest'

// What is waited for comes, however busy the machine is.
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

// It draws on a canvas, which is not there; what is drawn is tested as values, and looked at in a real browser.
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
