import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { EditorState } from '@codemirror/state'
import { EditorView, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { type Ref, useEffect, useEffectEvent, useImperativeHandle, useRef } from 'react'

export interface EditorHandle {
  /** Moves the focus into the editor, and scrolls it into view. */
  focus: () => void
  /** The place of the cursor in the text. */
  cursor: () => number
}

interface JsonEditorProps {
  ref?: Ref<EditorHandle>
  id: string
  label: string
  value: string
  onChange: (text: string) => void
  'aria-describedby': string | undefined
  'aria-invalid': true | undefined
}

const COLOURS = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--color-accent)' },
  { tag: tags.string, color: 'var(--color-good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--color-warn)' },
])

const LOOKS = EditorView.theme({
  '&': { color: 'var(--color-ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--font-mono)', caretColor: 'var(--color-ink)' },
  '.cm-gutters': { border: 'none', backgroundColor: 'transparent', color: 'var(--color-faint)' },
})

/** CodeMirror for JSON. */
export default function JsonEditor({ ref, id, label, value, onChange, ...described }: JsonEditorProps) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const changed = useEffectEvent(onChange)
  const first = useRef(value)
  useImperativeHandle(ref, () => ({
    focus: () => {
      host.current?.scrollIntoView({ block: 'center' })
      view.current?.focus()
    },
    cursor: () => view.current?.state.selection.main.head ?? 0,
  }))
  useEffect(() => {
    if (!host.current) return
    // In a shadow root CodeMirror adopts style sheets; in the page it would write <style> elements, which the content
    // security policy refuses.
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: 'open' })
    const editor = new EditorView({
      parent: root,
      root,
      state: EditorState.create({
        doc: first.current,
        extensions: [
          lineNumbers(),
          history(),
          bracketMatching(),
          json(),
          syntaxHighlighting(COLOURS),
          LOOKS,
          // Tab leaves the editor, as in any other field.
          keymap.of([...defaultKeymap, ...historyKeymap]),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ id, 'aria-label': label }),
          EditorView.updateListener.of((update) => update.docChanged && changed(update.state.doc.toString())),
        ],
      }),
    })
    view.current = editor
    return () => editor.destroy()
  }, [id, label])
  useEffect(() => {
    const editor = view.current
    if (!editor || editor.state.doc.toString() === value) return
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } })
  }, [value])
  return (
    <div
      ref={host}
      {...described}
      className="max-h-96 min-h-28 overflow-auto rounded-md border border-edge bg-surface text-xs"
    />
  )
}
