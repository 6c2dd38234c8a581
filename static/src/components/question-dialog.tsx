import { useState } from 'react'
import { jsonFault } from '@/lib/json'
import { Button } from './button'
import { Tick } from './checkbox'
import type { Answer, Question } from './confirm'
import { Dialog, FIRST } from './dialog'
import { TextArea, TextField } from './field'

interface QuestionDialogProps {
  /** Null without a question. */
  question: Question | null
  onAnswer: (answer: Answer) => void
}

/** A question with its two answers. It stays mounted after the answer, so that the focus returns to its element. */
export default function QuestionDialog({ question, onAnswer }: QuestionDialogProps) {
  const [asked, setAsked] = useState<Question | null>(null)
  const [text, setText] = useState('')
  const [ticked, setTicked] = useState(false)
  if (question !== asked) {
    setAsked(question)
    setText(question?.input?.value ?? '')
    setTicked(false)
  }
  const input = question?.input
  const fault = input?.json && jsonFault(text)
  const accept = () => {
    question?.tick?.onAnswer(ticked)
    onAnswer(text)
  }
  return (
    <Dialog
      open={question !== null}
      onClose={() => onAnswer(null)}
      title={question?.title ?? ''}
      footer={
        <>
          <Button onClick={() => onAnswer(null)} {...(!input && { [FIRST]: true })}>
            {question?.keep ?? 'Cancel'}
          </Button>
          <Button kind={question?.danger ? 'danger' : 'primary'} disabled={fault !== undefined} onClick={accept}>
            {question?.action}
          </Button>
        </>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (fault === undefined) accept()
        }}
        className="flex flex-col gap-4"
      >
        <div className="text-muted">{question?.text}</div>
        {input?.json ? (
          <TextArea
            label={input.label}
            hint={input.hint}
            error={fault}
            rows={10}
            value={text}
            spellCheck={false}
            className="font-mono"
            {...{ [FIRST]: true }}
            onChange={(event) => setText(event.target.value)}
          />
        ) : (
          input && (
            <TextField
              label={input.label}
              placeholder={input.placeholder}
              hint={input.hint}
              value={text}
              maxLength={500}
              {...{ [FIRST]: true }}
              onChange={(event) => setText(event.target.value)}
            />
          )
        )}
        {question?.tick && <Tick label={question.tick.label} checked={ticked} onChange={setTicked} />}
      </form>
    </Dialog>
  )
}
