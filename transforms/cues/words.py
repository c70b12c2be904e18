"""The words that label questions, reasoning and answers, in the languages that are known."""

# Case-folded words that open a response with its steps, before the final answer.
THINKING = "reasoning rationale explanation thought thoughts working"

# What is asked under the words at the left is answered under those at the right. Words are compared
# case-folded; one letter stands for what it abbreviates, "_" for a space.
WORD_PAIRS: tuple[tuple[str, str], ...] = (
    ("q question quest ques", f"a answer ans response reply solution {THINKING}"),
    ("exercise problem example task puzzle riddle", f"solution answer {THINKING}"),
    ("instruction prompt", "response output completion answer"),
    ("ｑ", "ａ"),
    ("q question", "r réponse reponse"),
    ("frage f", "antwort lösung a"),
    ("aufgabe übung", "lösung antwort"),
    ("exercice problème", "solution réponse"),
    ("pregunta p", "respuesta solución r"),
    ("ejercicio problema", "solución respuesta"),
    ("pergunta p", "resposta solução r"),
    ("domanda d", "risposta soluzione r"),
    ("vraag v", "antwoord a"),
    ("fråga f spørgsmål spørsmål", "svar s"),
    ("pytanie p", "odpowiedź o"),
    ("вопрос в", "ответ решение о"),
    ("задача упражнение", "решение ответ"),
    ("питання п", "відповідь в"),
    ("soru", "cevap yanıt"),
    ("問 质问 質問 问 问题 問題", "答 回答 答案 解答 解"),
    ("질문 문 문제", "답변 답 해답"),
    ("سؤال س السؤال", "جواب ج الجواب"),
    ("प्रश्न", "उत्तर"),
    ("ερώτηση ε", "απάντηση α"),
    ("otázka", "odpověď odpoveď"),
    ("kérdés k", "válasz v"),
    ("întrebare", "răspuns"),
    ("kysymys k", "vastaus v"),
    ("câu_hỏi hỏi", "trả_lời đáp"),
    ("pertanyaan", "jawaban"),
)


def _roles() -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
    """For each word, the pairs in which it asks, and those in which it answers."""
    asks: dict[str, set[int]] = {}
    answers: dict[str, set[int]] = {}
    for ordinal, sides in enumerate(WORD_PAIRS):
        for words, side in zip(sides, (asks, answers), strict=True):
            for word in words.split():
                side.setdefault(word.replace("_", " ").casefold(), set()).add(ordinal)
    return (
        {word: frozenset(ordinals) for word, ordinals in asks.items()},
        {word: frozenset(ordinals) for word, ordinals in answers.items()},
    )


ASKS, ANSWERS = _roles()
FINAL_WORDS = tuple(
    word
    for word in ANSWERS
    if (len(word) > 1 or not word.isascii()) and word not in THINKING.split()
)
"""Words that may announce a final answer inside a response."""

QUESTION_MARKS = ("?", "？", "؟")
"""What a question ends with, in the scripts that mark it."""
